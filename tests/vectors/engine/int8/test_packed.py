"""Weights as bytes that are kept on disk: the bits of those made anew, and nothing that hangs on the disk."""

import logging

import numpy as np
import pytest
import torch

from tests.vectors.engine.batches import run
from tests.vectors.tiny import byte_tokenizer, prompt, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.int8 import packed as keeping
from vectors.engine.int8.packed import packed
from vectors.engine.requests import scoring


def arrays(weights):
    return [array for part in weights for array in part]


def same(found, expected):
    return all(map(np.array_equal, arrays(found), arrays(expected)))


@pytest.fixture
def anew(family, threads):
    return packed(tiny_model(family), byte_tokenizer(), None)


def test_what_is_kept_is_mapped_and_has_the_bits_of_what_is_made(family, anew, tmp_path):
    for _ in range(2):
        found = packed(tiny_model(family), byte_tokenizer(), tmp_path / "model")
        assert same(found, anew)
        assert not any(array.flags.writeable for array in arrays(found))
        assert {array.ctypes.data % 64 for array in arrays(found)} == {0}
    assert [path.suffix for path in (tmp_path / "model").iterdir()] == [""]


def test_an_engine_on_what_is_kept_reads_no_weights_and_scores_alike(family, threads, tmp_path):
    ids = prompt(5, 60)
    told = []
    for kept in (None, tmp_path, tmp_path):
        model = tiny_model(family)
        if told[1:]:
            for block in model.model.layers:
                block.to_empty(device="meta")
        with Engine(model, byte_tokenizer(), endless=True, eight_bits=True, packed=kept) as engine:
            told.append(run(engine, scoring(ids[:9], ids[9:]))[0].logprobs)
    assert told[0] == told[1] == told[2]


def test_an_engine_leaves_the_model_as_it_is(family, threads):
    model = tiny_model(family)
    Engine(model, byte_tokenizer(), endless=True, eight_bits=True).close()
    ids = torch.tensor([prompt(1, 40)])
    with torch.inference_mode():
        assert torch.equal(model(input_ids=ids).logits, tiny_model(family)(input_ids=ids).logits)


@pytest.mark.parametrize("left", [0, 90, -1], ids=["nothing", "half a header", "all but a byte"])
def test_a_damaged_file_is_made_anew_with_one_line(family, anew, tmp_path, caplog, left):
    packed(tiny_model(family), byte_tokenizer(), tmp_path)
    (file,) = tmp_path.glob("*/blocks.weights.npy")
    file.write_bytes(file.read_bytes()[:left])
    with caplog.at_level(logging.WARNING):
        assert same(packed(tiny_model(family), byte_tokenizer(), tmp_path), anew)
    assert len(caplog.messages) == 1
    assert "damaged" in caplog.text
    assert same(keeping._mapped(file.parent), anew)


def test_where_nothing_can_be_kept_it_is_made_with_one_line(family, anew, tmp_path, caplog):
    (tmp_path / "full").touch()
    with caplog.at_level(logging.WARNING):
        found = packed(tiny_model(family), byte_tokenizer(), tmp_path / "full" / "model")
    assert same(found, anew)
    assert len(caplog.messages) == 1
    assert "not kept" in caplog.text


def test_a_disk_that_fills_up_leaves_nothing_behind(family, anew, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping.os, "fsync", full)
    assert same(packed(tiny_model(family), byte_tokenizer(), tmp_path), anew)
    assert not list(tmp_path.iterdir())


def test_other_text_of_the_sample_is_kept_apart(family, threads, tmp_path, monkeypatch):
    packed(tiny_model(family), byte_tokenizer(), tmp_path)
    monkeypatch.setattr(keeping, "sample", lambda _: [[1, 2, 3], [4, 5, 6]])
    packed(tiny_model(family), byte_tokenizer(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
