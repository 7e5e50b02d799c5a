"""A head that foresees how long answers are, fitted on a model's own."""

import math
import random

import pytest
import torch

from tests.vectors import folders
from vectors.engine.engine import Engine
from vectors.errors import VectorFileError
from vectors.measuring.lengths import Trace, fit, head_path, keep, load


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)


@pytest.fixture(scope="module")
def fitted(lm):
    """On answers whose length their prompt tells: three kinds of prompts, of 4, 12 and 36 tokens."""
    draw = random.Random(0)
    traces = []
    for number in range(60):
        kind = number // 2 % 3  # not in step with the folds
        words = tuple(draw.randrange(20, 60) for _ in range(4 * 3**kind))
        traces.append(Trace((5 + kind, 5 + kind, 5 + kind), words))
    torch.set_num_threads(1)
    with Engine(lm.model, lm.tokenizer, max_rows=8) as engine:
        return fit(engine, lm, traces)


def test_it_foresees_better_than_one_length_for_all(fitted):
    assert fitted.n > 50
    assert math.isfinite(fitted.nats)
    assert fitted.nats < fitted.constant


def test_what_it_says_lies_between_nothing_and_certainty(fitted):
    assert all(0 <= each <= 1 for each in fitted.quantiles)
    assert len(fitted.quantiles) == fitted.n


def test_more_room_is_never_less_likely(fitted, lm):
    features = fitted.head.features(torch.randn(lm.d_model))
    ids = torch.arange(40)
    chances = torch.stack([fitted.head.within(features, ids, room) for room in (-1, 0, 1, 5, 50, 5000)])
    assert (chances[0] == 0).all() and (chances[1] == 0).all()
    assert (chances[1:] - chances[:-1] >= -1e-6).all()
    assert (chances[-1] > 0.9).all()


def test_what_is_kept_is_what_is_read_and_of_this_model_alone(fitted, lm, tmp_path):
    path = head_path(tmp_path, lm)
    with pytest.raises(VectorFileError, match="lab budget"):
        load(path, lm)
    keep(fitted.head, path, lm)
    found = load(path, lm)
    assert found.layer == fitted.head.layer
    for name in ("directions", "offsets", "tokens"):
        torch.testing.assert_close(getattr(found, name), getattr(fitted.head, name), rtol=0, atol=0)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(VectorFileError, match="make it anew"):
        load(path, lm)
