#!/usr/bin/env bash
# steering-vectors 0.12.2 with transformers 4.57.6, torch 2.13.0: `min_token_index` under a key-value cache.
#
# Seen: the index counts within each forward pass, not within the sequence. `generate` computes the prompt in one
# pass and then one token a pass, whose index is 0. With `min_token_index` = length of the prompt, which reads as
# "steer what is generated, not the prompt", nothing at all is steered while the cache is on: the tokens equal the
# unsteered ones. The same call with `use_cache=False` steers, and gives other tokens.
# Who compares "generated only" with "everywhere" this way compares no steering with steering.
#
# Exit 1 where the behaviour has changed. Installs PyTorch: point PIP_EXTRA_INDEX_URL at its CPU wheel index to
# keep CUDA out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==4.57.6 steering-vectors==0.12.2
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from steering_vectors import SteeringVector
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
model = LlamaForCausalLM(LlamaConfig(vocab_size=300, num_key_value_heads=4, **size)).eval()
model.generation_config.eos_token_id = None
prompt = torch.randint(3, 300, (1, 12))
vector = SteeringVector({1: 40 * torch.nn.functional.normalize(torch.randn(64), dim=0)}, "decoder_block")


def generated(**options):
    """Sixteen greedy tokens after the prompt."""
    return model.generate(prompt, max_new_tokens=16, do_sample=False, pad_token_id=0, **options)[0, 12:].tolist()


plain = generated()
with vector.apply(model, min_token_index=0):
    everywhere = generated()
with vector.apply(model, min_token_index=12):
    after_the_prompt = generated()
with vector.apply(model, min_token_index=12):
    without_a_cache = generated(use_cache=False)

print("steering-vectors", version("steering-vectors"), "transformers", version("transformers"))
print("unsteered                          ", plain)
print("min_token_index=0                  ", everywhere)
print("min_token_index=12                 ", after_the_prompt)
print("min_token_index=12, use_cache=False", without_a_cache)
assert everywhere != plain
assert after_the_prompt == plain, "changed: generated tokens are steered under a cache"
assert without_a_cache != plain
PYTHON
