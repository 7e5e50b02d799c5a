"""Weights that are read a piece at a time are those that transformers makes of the files."""

import pytest
import torch
import transformers as hf
from safetensors.torch import save_file

from tests.vectors import folders
from vectors.errors import UnsupportedModel
from vectors.models import checkpoints, streaming
from vectors.models.streaming import narrowed


@pytest.mark.parametrize("family", ["gemma3", "phi3", "lfm2", "gpt2"])
def test_a_model_in_fewer_bits_equals_transformers_own(family, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_PIECE_BYTES", 1000)
    written = folders.save(tmp_path, family)
    written.generation_config.eos_token_id = [3, 7]
    written.generation_config.save_pretrained(tmp_path)
    model, _ = checkpoints.load(tmp_path, torch.bfloat16, "cpu")
    theirs = type(written).from_pretrained(tmp_path, dtype=torch.bfloat16)
    for ours, own in ((model.state_dict(), theirs.state_dict()), map(dict, both_buffers(model, theirs))):
        assert ours.keys() == own.keys()
        assert all(each.equal(own[name]) and each.dtype == own[name].dtype for name, each in ours.items())
    assert model.config.to_dict() == theirs.config.to_dict()
    assert model.generation_config.to_dict() == theirs.generation_config.to_dict()
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == (
        theirs.get_input_embeddings().weight is theirs.get_output_embeddings().weight
    )


def both_buffers(*models):
    return [model.named_buffers() for model in models]


def test_what_is_not_narrower_or_no_float_is_left_to_transformers(tmp_path):
    save_file({"a": torch.zeros(3, 2)}, tmp_path / "wide.safetensors")
    save_file({"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.int64)}, tmp_path / "mixed.safetensors")
    assert narrowed([tmp_path / "wide.safetensors"], torch.float32) is None
    assert narrowed([tmp_path / "mixed.safetensors"], torch.bfloat16) is None
    found = narrowed([tmp_path / "wide.safetensors"], torch.bfloat16)
    assert found["a"].equal(torch.zeros(3, 2, dtype=torch.bfloat16))


def test_a_class_that_keeps_some_weights_wide_gets_them_from_transformers():
    class Keeping(hf.Gemma3ForCausalLM):
        _keep_in_fp32_modules_strict = ("norm",)

    assert checkpoints._kept_wide(Keeping)
    assert not checkpoints._kept_wide(hf.Gemma3ForCausalLM)


def test_a_file_that_is_cut_is_refused_in_a_line(tmp_path):
    folders.save(tmp_path, "gemma3")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnsupportedModel, match="cut") as refused:
        checkpoints.load(tmp_path, torch.bfloat16, "cpu")
    assert "\n" not in str(refused.value)
