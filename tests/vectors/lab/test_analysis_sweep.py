"""Layers × α: what a sweep measures, and the zones that come of it."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import folders, tiny
from vectors.domains.extraction import extract
from vectors.domains.heldout import Pair
from vectors.engine.engine import Engine
from vectors.errors import SteeringMismatch, UnfitAnalysis
from vectors.lab.steering.sweep import Cell, Sweep, default_layers, grid, sweep
from vectors.measuring.probes import load_probes
from vectors.statistics.estimates import Estimate, mean, rate

PROBES = ["What now?", "Go on.", "Why is that?"]
PAIRS = [Pair("def f(): pass", "The sea was calm."), Pair("see f in a.py", "We had soup."), Pair("x", "y")]
NEW = 6


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)


@pytest.fixture(scope="module")
def vector(lm):
    return extract(lm, folders.first("code_reading", 3))


@pytest.fixture(scope="module")
def engine(lm):
    with Engine(lm.model, lm.tokenizer) as engine:
        yield engine


def swept(engine, lm, vector, points):
    return sweep(engine, lm, vector, points, PROBES, PAIRS, tokens=NEW)


def test_a_sweep_measures_every_point_against_the_unsteered_model(engine, lm, vector):
    points = grid(vector, [0, 2], shares=[1e-9, 2.0])
    found = swept(engine, lm, vector, points)
    assert [(cell.layer, pytest.approx(cell.share)) for cell in found.cells] == [
        (0, 1e-9), (0, 2.0), (2, 1e-9), (2, 2.0)
    ]  # fmt: skip
    for weak, strong in (found.cells[:2], found.cells[2:]):
        assert weak.change_rate == rate(0, 3)
        assert weak.kl_bits.value == pytest.approx(0, abs=1e-6)
        assert weak.task_nats.value == pytest.approx(0, abs=1e-4)
        assert weak.zone == "rigid"
        assert strong.change_rate.value > 0
        assert strong.kl_bits.value > 0.1
        assert abs(strong.task_nats.value) > 1e-3
    assert found.repeat_change_rate == rate(0, 3)
    assert {cell.kl_bits.n for cell in found.cells} == {cell.task_nats.n for cell in found.cells} == {3}


def test_the_change_rate_is_that_of_an_independent_implementation(engine, lm, vector):
    (point,) = points = grid(vector, [1], shares=[0.5])
    prompts = [lm.chat_ids([{"role": "user", "content": probe}]) for probe in PROBES]
    theirs = tiny.tiny_model("llama")  # the same weights in transformers, which can generate
    plain = [tiny.hf_generate(theirs, prompt, new=NEW) for prompt in prompts]
    steered = [tiny.hf_generate(theirs, prompt, (point,), NEW) for prompt in prompts]
    changed = sum(one != other for one, other in zip(plain, steered, strict=True))
    assert changed
    assert swept(engine, lm, vector, points).cells[0].change_rate == rate(changed, 3)


def test_the_unsteered_margin_is_the_models_own_log_likelihood(engine, lm, vector):
    def per_token(prompt, text):
        ids = torch.tensor([[*prompt, *text]])
        with torch.no_grad():
            logprobs = lm.model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return float(logprobs.gather(1, torch.tensor(text).unsqueeze(1)).mean())

    margins = []
    for probe, pair in zip(PROBES, PAIRS, strict=True):
        prompt = lm.chat_ids([{"role": "user", "content": probe}])
        margins.append(
            per_token(prompt, lm.encode(pair.text, begins=False))
            - per_token(prompt, lm.encode(pair.neutral, begins=False))
        )
    found = swept(engine, lm, vector, grid(vector, [0], shares=[0.1])).unsteered_task_nats
    expected = mean(margins)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-3
    )


def test_absolute_alpha_is_taken_as_it_is_and_shares_follow_the_residuals_spread(vector):
    assert [point.alpha for point in grid(vector, [0, 3], alphas=[10, 30])] == [10, 30, 10, 30]
    for point in grid(vector, [0, 3], shares=[0.25]):
        assert point.alpha == pytest.approx(0.25 * float(vector.spreads[point.layer]))


@pytest.mark.parametrize("strengths", [[0.0, 1.0], [-1.0], [1.0, 1.0], [math.nan], [math.inf]])
def test_strengths_that_cannot_be_compared_with_zero_are_refused(vector, strengths):
    with pytest.raises(UnfitAnalysis):
        grid(vector, [0], shares=strengths)


def test_a_layer_that_does_not_exist_or_comes_twice_is_refused(vector):
    with pytest.raises(SteeringMismatch):
        grid(vector, [99])
    with pytest.raises(UnfitAnalysis):
        grid(vector, [1, 1])


@given(st.integers(1, 200))
def test_the_default_layers_reach_from_the_first_block_to_the_last(n_layers):
    layers = default_layers(n_layers)
    assert layers[0] == 0
    assert layers[-1] == n_layers - 1
    assert layers == sorted(set(layers))
    assert len(layers) == min(8, n_layers)


def cell(layer, changed, broken, bits=1.0):
    figure = Estimate(bits, bits, bits, 10)
    return Cell(layer, 1.0, 0.1, rate(changed, 10), figure, figure, rate(broken, 10))


@pytest.mark.parametrize(
    ("one", "zone"),
    [
        (cell(0, 4, 10), "rigid"),
        (cell(0, 5, 1), "responsive"),
        (cell(0, 5, 2), "degenerate"),
        (cell(0, 10, 0, bits=10), "degenerate"),
    ],
)
def test_a_cells_zone_follows_from_what_changes_what_repeats_and_how_far_it_moves(one, zone):
    assert one.zone == zone


def test_a_layer_belongs_to_the_zone_of_most_of_its_alphas():
    rigid, responsive, degenerate = cell(0, 0, 0), cell(0, 9, 0), cell(0, 9, 9)
    for cells, zone in (
        ([rigid, responsive, responsive], "responsive"),
        ([rigid, degenerate, degenerate], "degenerate"),
        ([rigid, responsive, degenerate], "rigid"),
        ([degenerate, responsive], "responsive"),
    ):
        assert Sweep(6, tuple(cells), rate(0, 10), rate(0, 10), cells[0].kl_bits).zones() == {0: zone}
    two = Sweep(6, (rigid, replace(degenerate, layer=5)), rate(0, 10), rate(0, 10), rigid.kl_bits)
    assert two.zones() == {0: "rigid", 5: "degenerate"}


def test_the_built_in_probes_are_many_and_all_different():
    probes = load_probes()
    assert len(probes) >= 24
    assert len(set(probes)) == len(probes)
    assert load_probes(limit=5) == probes[:5]


def test_probes_of_ones_own_are_a_json_list_or_lines(tmp_path):
    (tmp_path / "mine.json").write_text('["One?", "Two?"]')
    (tmp_path / "mine.txt").write_text("One?\n\n  Two?  \n")
    assert load_probes(tmp_path / "mine.json") == load_probes(tmp_path / "mine.txt") == ["One?", "Two?"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", '{"a": 1}', "list of texts"),
        ("a.json", '["One?", 2]', "list of texts"),
        ("a.json", "[", "not JSON"),
        ("a.json", '["One?", "One?"]', "twice"),
        ("a.txt", "One?\n", "at least 2"),
        ("a.txt", "x" * 9000 + "\ny\n", "characters"),
        ("a.txt", "x" * (2 << 20), "bytes"),
    ],
)
def test_probes_that_cannot_be_used_are_refused_by_name(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    with pytest.raises(UnfitAnalysis, match=expected) as refused:
        load_probes(tmp_path / name)
    if expected != "at least 2":
        assert name in str(refused.value)
