"""The Llama family built without transformers computes what transformers' own class does, bit for bit."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.vectors import folders, tiny
from vectors.errors import UnsupportedModel
from vectors.models import checkpoints, llama
from vectors.models.blocks import recording

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SHAPES = {
    "heads that share keys": {},
    "a key for each head": {"num_key_value_heads": 4},
    "one key for all heads": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "heads wider than the model": {"head_dim": 32},
    "Llama 3's rotary embedding": {"rope_parameters": LLAMA3},
}


def saved(folder, **changed):
    """A random model in a folder, as transformers writes it."""
    config = {
        "vocab_size": tiny.VOCAB,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
        "bos_token_id": None,
        "eos_token_id": tiny.EOS,
        **changed,
    }
    torch.manual_seed(3)
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(folder)
    folders.transformers_tokenizer().save_pretrained(folder)
    return folder


def both(folder, dtype):
    """Our model and transformers' from one folder."""
    ours, _ = checkpoints.load(folder, dtype, "cpu")
    assert type(ours) is llama.LlamaForCausalLM
    return ours, LlamaForCausalLM.from_pretrained(folder, dtype=dtype).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("changed", SHAPES.values(), ids=SHAPES)
def test_logits_and_every_residual_are_those_of_transformers(tmp_path, changed, dtype):
    ours, theirs = both(saved(tmp_path, **changed), dtype)
    ids = torch.tensor([tiny.prompt(1, 200), tiny.prompt(2, 200)])
    mask = torch.ones_like(ids)
    mask[1, 150:] = 0
    for attention_mask in (None, mask):
        found = []
        for model in (ours, theirs):
            with recording(model) as residuals, torch.inference_mode():
                logits = model(input_ids=ids, attention_mask=attention_mask, use_cache=False).logits
            found.append([logits, *residuals.values()])
        assert len(found[0]) == 4
        for our, their in zip(*found, strict=True):
            assert torch.equal(our, their)


@pytest.mark.parametrize(
    "changed",
    [
        {"attention_bias": True},
        {"mlp_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_not_built_here_goes_through_transformers(tmp_path, changed):
    model, _ = checkpoints.load(saved(tmp_path, **changed), torch.float32, "cpu")
    assert type(model) is LlamaForCausalLM


def test_an_older_config_names_the_rotary_embedding_otherwise(tmp_path):
    data = json.loads((saved(tmp_path, rope_parameters=LLAMA3) / "config.json").read_text())
    rope = data.pop("rope_parameters")
    data |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": {"type": rope.pop("rope_type"), **rope}}
    assert llama.LlamaConfig.of(data).rope_parameters.items() >= LLAMA3.items()


def test_weights_that_are_not_of_the_config_are_refused_in_one_line(tmp_path):
    path = saved(tmp_path) / "config.json"
    path.write_text(path.read_text().replace('"num_hidden_layers": 3', '"num_hidden_layers": 4'))
    with pytest.raises(UnsupportedModel, match="cannot be loaded") as refused:
        checkpoints.load(tmp_path, torch.float32, "cpu")
    assert "\n" not in str(refused.value)


@pytest.mark.real_model
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_embedded_model_gives_the_logits_that_transformers_gives(embedded_folder, dtype):
    ours, theirs = both(embedded_folder, dtype)
    ids = torch.randint(0, 49_000, (2, 60), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        assert torch.equal(ours(input_ids=ids).logits, theirs(input_ids=ids).logits)
    assert ours.generation_config.eos_token_id == theirs.generation_config.eos_token_id


@pytest.mark.real_model
def test_the_embedded_model_is_loaded_and_asked_without_importing_transformers(embedded_folder):
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from vectors.models.loading import load_model\n"
        "from vectors.engine.engine import Engine\n"
        "from vectors.engine.requests import GenerationRequest\n"
        "from vectors.engine.sampling import Sampling\n"
        "lm = load_model(sys.argv[1], cache=Path('unused'))\n"
        "ids = lm.chat_ids([{'role': 'user', 'content': 'Say yes.'}])\n"
        "with Engine(lm.model, lm.tokenizer) as engine:\n"
        "    print(engine.submit(GenerationRequest(ids, (), Sampling(4))).result(60).new_tokens)\n"
        "print(sorted({'transformers', 'torch._dynamo', 'sympy', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(embedded_folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1] == "[]"
