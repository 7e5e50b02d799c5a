"""A thousand requests at once, of which every one is what it is alone, and nothing is left of them."""

from pathlib import Path

import pytest

from tests.vectors import tiny
from tests.vectors.engine.batches import bare
from tests.vectors.engine.many_requests import alone_on, check, crowd
from vectors.engine.engine import Engine


@pytest.mark.parametrize(("family", "n"), [("llama", 700), ("gemma3", 150), ("lfm2", 150)])
def test_a_thousand_mixed_requests_at_once_are_each_what_they_are_alone_and_leave_nothing(family, n):
    model = tiny.tiny_model(family)
    pool = tiny.prompt(77, 2000)
    asked = crowd(bare(model), pool, n, 100, seed=5, longest=120, new=8, over_s=0.1)
    with Engine(tiny.tiny_model(family), tiny.byte_tokenizer(), max_rows=1, cache_tokens=1024) as lone:
        report = check(model, tiny.byte_tokenizer(), asked, alone_on(lone), cache_tokens=2048)
    assert not report.wrong and not report.differing, "\n".join(report.lines())
    assert report.compared + report.faulted == n
    assert report.steered > n // 2 and report.cancelled > n // 100 and report.faulted > n // 50
    assert report.left == (0, 0, 0) and report.hooks[0] == report.hooks[1]
    assert (report.reused_share > 0.1) == (family != "lfm2")


def test_a_row_that_differs_is_told_with_the_gap_between_the_tokens_logits(monkeypatch):
    """The comparison itself: a solo run that is wrong must be found, and told from a tie."""
    model = tiny.tiny_model("llama")
    asked = crowd(bare(model), tiny.prompt(77, 2000), 30, 30, seed=5, longest=60, new=8, over_s=0.0)
    with Engine(tiny.tiny_model("llama"), tiny.byte_tokenizer(), max_rows=1, cache_tokens=1024) as lone:
        solo = alone_on(lone)

        def wrong(request):
            tokens, scores = solo(request)
            return (*tokens[:-1], (tokens[-1] + 1) % 256), scores

        report = check(model, tiny.byte_tokenizer(), asked, wrong, cache_tokens=2048)
    assert len(report.differing) >= report.compared - report.cancelled > 20
    assert report.ties == 0


@pytest.mark.real_model
@pytest.mark.slow
def test_requests_at_once_on_the_embedded_model_are_each_what_they_are_alone(smollm2):
    pool = smollm2.encode(Path(__file__).read_text() * 8, begins=True)
    asked = crowd(smollm2.model, pool, 40, 40, seed=2, longest=80, new=6, over_s=0.5)
    with Engine(smollm2.model, smollm2.tokenizer, max_rows=1, cache_tokens=1024) as lone:
        report = check(smollm2.model, smollm2.tokenizer, asked, alone_on(lone), cache_tokens=4096)
    assert not report.wrong and len(report.differing) == report.ties, "\n".join(report.lines())
    assert report.compared + report.faulted == 40
    assert report.left == (0, 0, 0) and report.hooks[0] == report.hooks[1]
