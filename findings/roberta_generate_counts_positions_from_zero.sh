#!/usr/bin/env bash
# transformers 5.23.0, RobertaForCausalLM (and the types that are built like it): `generate` is not the greedy
# continuation that the model's own forward pass gives.
#
# Seen: without position ids the forward pass counts positions from padding_idx + 1, as the model was trained;
# `generate` hands it position ids that count from 0. So the logits after a prompt differ by several nats on a
# random model, with and without a cache, and so do the tokens. Handed ids from padding_idx + 1 on, the forward
# pass gives what it gives without any. Whoever holds another implementation of these types against `generate`
# compares with a model that was never trained.
#
# Exit 1 where the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from transformers import GenerationConfig, RobertaConfig, RobertaForCausalLM

NEW, PAD = 8, 1
sizes = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
torch.manual_seed(0)
config = RobertaConfig(
    **sizes, intermediate_size=64, max_position_embeddings=80, is_decoder=True, initializer_range=0.3
)
model = RobertaForCausalLM(config).eval()
model.generation_config = GenerationConfig(pad_token_id=PAD)
prompt = torch.tensor([[5, 6, 7, 8, 9, 10]])


@torch.no_grad()
def greedy():
    known = prompt
    for _ in range(NEW):
        known = torch.cat([known, model(known).logits[:, -1:].argmax(-1)], dim=1)
    return known[0, prompt.shape[1] :].tolist()


@torch.no_grad()
def away(first):
    """How far the last logits are from the forward pass's own when positions count from `first`."""
    positions = torch.arange(first, first + prompt.shape[1])[None]
    return float((model(prompt).logits[:, -1] - model(prompt, position_ids=positions).logits[:, -1]).abs().max())


def generated(**more):
    made = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=NEW, **more
    )
    return made[0, prompt.shape[1] :].tolist()


print("transformers", version("transformers"), "| torch", version("torch"))
print("forward pass, greedy     ", greedy())
print("generate                 ", generated())
print("generate, use_cache=False", generated(use_cache=False))
print(f"logits away from the forward pass's own: positions from 0 {away(0):.2f}, from {PAD + 1} {away(PAD + 1):.2g}")
as_seen = greedy() not in (generated(), generated(use_cache=False)) and away(0) > 1 and away(PAD + 1) == 0
print("as seen" if as_seen else "CHANGED")
sys.exit(not as_seen)
PYTHON
