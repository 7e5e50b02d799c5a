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


def converted(folder):
    """A folder as it is made of a GGUF file, and its model in fewer bits."""
    written = folders.save(folder, "gemma3")
    (folder / checkpoints.SOURCE_FILE).write_text("{}")
    return written.to(torch.bfloat16).state_dict()


def loaded(folder):
    return checkpoints.load(folder, torch.bfloat16, "cpu")[0].state_dict()


def same(found, expected):
    return found.keys() == expected.keys() and all(each.equal(expected[name]) for name, each in found.items())


def test_what_is_made_of_our_own_folder_is_kept_and_read_from_there(tmp_path):
    expected = converted(tmp_path)
    leftover = tmp_path / "model.bfloat16.safetensors.0.part"
    leftover.touch()
    first = loaded(tmp_path)
    assert same(first, expected)
    assert not leftover.exists()
    wide = tmp_path / "model.safetensors"
    wide.write_bytes(wide.read_bytes()[:100])  # nobody looks at it any more
    again = loaded(tmp_path)
    assert same(again, expected)
    streaming.give_back()
    assert same(again, expected)
    assert same(first, expected)


def test_what_is_kept_is_as_readable_as_the_folder_and_made_anew_where_it_is_damaged(tmp_path):
    expected = converted(tmp_path)
    (tmp_path / "model.safetensors").chmod(0o644)
    for left in (None, 100, -1):
        assert same(loaded(tmp_path), expected)
        kept = tmp_path / "model.bfloat16.safetensors"
        assert kept.stat().st_mode & 0o777 == 0o644
        kept.write_bytes(kept.read_bytes()[:left])
    assert same(loaded(tmp_path), expected)


def test_where_nothing_can_be_kept_it_is_made_each_time(tmp_path, monkeypatch):
    expected = converted(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(streaming, "save_file", full)
    assert same(loaded(tmp_path), expected)
    assert not list(tmp_path.glob("*bfloat16*"))


def test_nothing_is_put_into_a_folder_of_somebody_elses(tmp_path):
    folders.save(tmp_path, "gemma3")
    before = sorted(tmp_path.iterdir())
    loaded(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
