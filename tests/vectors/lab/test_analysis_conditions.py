"""Diversity, composition and the demo scenarios: what the engine is asked, and what the answers come to."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import folders
from vectors.domains.domain_vector import DomainVector
from vectors.domains.heldout import Pair
from vectors.domains.prompt_sets import domain_names, load_prompt_set
from vectors.engine.engine import Engine
from vectors.errors import UnfitAnalysis
from vectors.lab.steering.composition import compare, composed, weights_of
from vectors.lab.steering.demo import METRICS, VARIANTS, bug_fix, demo, demo_domains, scenarios
from vectors.lab.steering.diversity import diversity

PROBES = ["What now?", "Go on.", "Why is that?"]


class Recording(Engine):
    """An engine that keeps what it was asked and what came of it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.log = []

    def submit_all(self, requests):
        tickets = super().submit_all(requests)
        self.log += zip(requests, tickets, strict=True)
        return tickets


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)


def vector(lm, domain, seed, layer=1, **metadata):
    directions = torch.randn(lm.n_layers, lm.d_model, generator=torch.Generator().manual_seed(seed))
    norms = torch.arange(5.0, 5.0 + lm.n_layers) + seed
    facts = {"model_id": lm.model_id, "model_digest": lm.digest, **metadata}
    return DomainVector(domain, directions, norms, norms, layer, 0.4 * float(norms[layer]), facts)


@pytest.fixture
def engine(lm):
    with Recording(lm.model, lm.tokenizer) as engine:
        yield engine


def by_condition(engine):
    """The generations that were asked for, by temperature and whether they were steered."""
    asked = defaultdict(list)
    for request, ticket in engine.log:
        key = request.sampling.temperature, bool(request.steering)
        asked[key].append((request, ticket.result(1)))
    return asked


def test_diversity_counts_the_different_answers_to_each_prompt(lm, engine):
    steering = vector(lm, "bug_analysis", 1).intervention(alpha=40.0)
    rows = diversity(engine, lm, steering, PROBES, samples=4, tokens=1, seed=9, temperatures=[0.5, 2.0])
    asked = by_condition(engine)
    for row in rows:
        for steered, estimate in ((False, row.unsteered), (True, row.steered)):
            texts = [answer.text for _, answer in asked[row.temperature, steered]]
            shares = [len(set(texts[i : i + 4])) / 4 for i in (0, 4, 8)]
            assert estimate.value == pytest.approx(sum(shares) / 3)
            assert estimate.n == 3
        assert row.difference.value == pytest.approx(row.steered.value - row.unsteered.value)


def test_every_condition_draws_the_same_numbers_and_every_sample_its_own(lm, engine):
    diversity(
        engine, lm, vector(lm, "d", 1).intervention(), PROBES, samples=3, tokens=2, temperatures=[0.5, 1.0]
    )
    seeds = [[request.sampling.seed for request, _ in asked] for asked in by_condition(engine).values()]
    assert len(seeds) == 4
    assert all(each == seeds[0] for each in seeds)
    assert len(set(seeds[0])) == 9


def test_without_chance_all_samples_are_one_answer_and_no_steering_makes_no_difference(lm, engine):
    idle = vector(lm, "d", 1).intervention(alpha=0.0)
    cold, warm = diversity(engine, lm, idle, PROBES, tokens=4, temperatures=[1e-6, 1.5])
    assert cold.steered == cold.unsteered
    assert cold.steered.value == pytest.approx(1 / 5)
    assert warm.difference.value == warm.difference.high == 0
    assert warm.unsteered.value > 1 / 5


@given(st.lists(st.floats(0.1, 3), min_size=2, max_size=4))
def test_a_composition_is_one_list_of_interventions_each_as_strong_as_its_weight(lm, weights):
    parts = [vector(lm, f"d{i}", i, i % 3) for i in range(len(weights))]
    for part, weight, each in zip(parts, weights, composed(parts, weights), strict=True):
        assert (each.name, each.layer) == (part.domain, part.default_layer)
        torch.testing.assert_close(each.delta(), weight * part.intervention().delta())


@pytest.mark.parametrize(
    ("domains", "weights"),
    [(["a"], [1.0]), (["a", "a"], [1.0, 1.0]), (["a", "b"], [1.0]), (["a", "b"], [0.0, 0.0]),
     (["a", "b"], [float("nan"), 1.0])],
)  # fmt: skip
def test_what_is_no_composition_is_refused(lm, domains, weights):
    with pytest.raises(UnfitAnalysis, match="a"):
        composed([vector(lm, domain, seed) for seed, domain in enumerate(domains)], weights)


def test_only_the_weighted_mode_has_weights_and_they_are_parts_of_one_by_default(lm):
    parts = [vector(lm, "a", 1), vector(lm, "b", 2)]
    assert weights_of("weighted", parts, None) == weights_of("weighted", parts, ()) == [0.5, 0.5]
    assert weights_of("weighted", parts, [0.9, 0.2]) == [0.9, 0.2]
    assert weights_of("add", parts, [0.9, 0.2]) == [1.0, 1.0]


@pytest.fixture
def compared(lm, engine):
    """Two domains in all three modes, with held-out texts of one of them."""
    parts = [vector(lm, "code_reading", 1, 1), vector(lm, "bug_analysis", 2, 2)]
    pairs = {"bug_analysis": [Pair("it is zero", "the sea"), Pair("so it fails", "a soup")]}
    modes = ["add", "weighted", "switch"]
    keywords = {domain: load_prompt_set(domain).keywords for domain in ("code_reading", "bug_analysis")}
    return parts, compare(engine, lm, parts, modes, PROBES, pairs, keywords, tokens=5)


def test_all_conditions_answer_the_same_prompts_with_the_same_length(lm, engine, compared):
    _, conditions = compared
    names = ["unsteered", "code_reading", "bug_analysis", "add", "weighted", "switch"]
    assert [condition.name for condition in conditions] == names
    assert {condition.total.n for condition in conditions} == {3}
    lengths = [r.sampling.max_new_tokens for r, _ in engine.log if not r.sampling.logprobs]
    assert sorted(lengths) == [5] * 6 + [10] * 15


def test_taking_turns_goes_on_where_the_turn_before_ended_under_the_next_vector(lm, engine, compared):
    parts, _ = compared
    turns = [(r, t) for r, t in engine.log if r.sampling.max_new_tokens == 5 and not r.sampling.logprobs]
    for (first, ticket), (second, _) in zip(turns[:3], turns[3:], strict=True):
        assert torch.equal(first.steering[0].vector, parts[0].intervention().vector)
        assert torch.equal(second.steering[0].vector, parts[1].intervention().vector)
        assert second.prompt_ids == (*first.prompt_ids, *ticket.result(1).token_ids)


def test_a_condition_is_compared_with_the_single_vector_and_with_none(compared):
    _, conditions = compared
    by_name = {condition.name: condition for condition in conditions}
    for domain in ("code_reading", "bug_analysis"):
        assert by_name[domain].against_single[domain].value == 0
        for one in conditions:
            gain = one.hits[domain].value - by_name[domain].hits[domain].value
            assert one.against_single[domain].value == pytest.approx(gain)
    assert by_name["unsteered"].against_unsteered.value == 0
    assert set(by_name["add"].text_nats) == {"bug_analysis"}
    assert by_name["unsteered"].text_nats["bug_analysis"].value == 0
    assert by_name["switch"].text_nats == by_name["bug_analysis"].text_nats
    assert by_name["add"].text_nats["bug_analysis"].n == 2


def test_the_scenarios_are_the_three_of_the_original_and_their_domains_exist():
    names = {scenario.name: [step.name for step in scenario.steps] for scenario in scenarios()}
    assert names == {
        "simple bug fix": ["read", "analyze", "fix"],
        "test failure": ["read", "analyze", "test", "fix"],
        "feature regression": ["read new", "read old", "analyze", "fix", "test"],
    }
    assert set(demo_domains()) <= set(domain_names())
    assert all(len(set(scenario.reports)) == 8 for scenario in scenarios())


class Scripted:
    """An engine that answers at once with a given text, and keeps what it was asked.

    For the demo, whose prompts are long and whose answers do not matter here; the command line's tests run it
    on a model.
    """

    def __init__(self, text):
        self.answer = SimpleNamespace(text=text, token_ids=list(range(7)), finish_reason="length")
        self.requests = []

    def submit_all(self, requests):
        self.requests += requests
        return [SimpleNamespace(result=lambda: self.answer)] * len(requests)

    def forget(self):
        pass


RUNS = 3 * 2 * 3 * 2  # scenarios, reports, variants, seeds


@pytest.fixture(scope="module")
def demonstrated(lm):
    """The vectors, what was asked, and the rows, of a demo with two seeds a report."""
    vectors = {domain: vector(lm, domain, seed) for seed, domain in enumerate(demo_domains())}
    engine = Scripted("I read it.")
    rows = demo(engine, lm, vectors, scenarios(2), seeds=[3, 4])
    return vectors, engine.requests, rows


def test_the_variants_differ_in_nothing_but_the_vector_of_a_step(demonstrated):
    vectors, log, _ = demonstrated
    for start in range(0, RUNS, 6):
        baseline, static, dynamic = (log[start + i : start + i + 2] for i in (0, 2, 4))
        for other in (static, dynamic):
            assert [r.prompt_ids for r in other] == [r.prompt_ids for r in baseline]
            assert [r.sampling for r in other] == [r.sampling for r in baseline]
        assert len({r.sampling.seed for r in baseline}) == 2
    second = [(r.steering, scenario) for r, scenario in zip(log[RUNS:], _scenario_of_runs(), strict=False)]
    for start in range(0, RUNS, 6):
        baseline, static, dynamic = (second[start + i : start + i + 2] for i in (0, 2, 4))
        assert all(steering == () for steering, _ in baseline)
        for variant, of in ((static, lambda _: "code_reading"), (dynamic, lambda s: s.steps[1].domain)):
            for steering, scenario in variant:
                assert torch.equal(steering[0].vector, vectors[of(scenario)].intervention().vector)


def _scenario_of_runs():
    return [scenario for scenario in scenarios() for _ in range(RUNS // 3)]


def test_a_step_sees_the_end_of_the_step_before_and_its_own_instruction(lm, demonstrated):
    _, log, _ = demonstrated
    prompts = [lm.tokenizer.decode(request.prompt_ids) for request in (log[0], log[RUNS])]
    steps = scenarios()[0].steps
    assert steps[0].instruction in prompts[0]
    assert "So far:" not in prompts[0]
    assert "So far:\nI read it.\n" in prompts[1]
    assert steps[1].instruction in prompts[1]


def test_a_report_is_one_observation_however_many_seeds_it_had(demonstrated):
    _, _, rows = demonstrated
    assert {(row.scenario, row.variant) for row in rows} == {
        (name, variant)
        for name in ("all scenarios", *(scenario.name for scenario in scenarios()))
        for variant in VARIANTS
    }
    for row in rows:
        n = 6 if row.scenario == "all scenarios" else 2
        assert {each.n for each in (*row.metrics.values(), *row.gains.values())} == {n}
        assert set(row.metrics) == set(row.gains) == set(METRICS)
        if row.variant == "baseline":
            assert all(gain.value == 0 for gain in row.gains.values())


def test_reports_of_ones_own_are_solved_as_bug_fixes_and_counted_once(lm, demonstrated):
    vectors, _, _ = demonstrated
    reports = [f"f({number}) fails" for number in range(4)]
    engine = Scripted("I read it.")
    rows = demo(engine, lm, vectors, [bug_fix(reports)])
    assert {row.scenario for row in rows} == {"all scenarios"}
    assert {row.metrics["hits"].n for row in rows} == {4}
    first = [lm.tokenizer.decode(each.prompt_ids) for each in engine.requests[: 4 * len(VARIANTS)]]
    assert all(any(report in prompt for prompt in first) for report in reports)


@pytest.mark.parametrize(
    ("text", "hits", "coherence"),
    [("the parser fails", 1, 1.0), ("a b c", 0, 0.0), ("the file has a bug, so fix the test", 4, 0.0)],
)
def test_the_metrics_of_a_run_are_those_of_its_steps(lm, text, hits, coherence):
    vectors = {domain: vector(lm, domain, seed) for seed, domain in enumerate(demo_domains())}
    rows = {
        (row.scenario, row.variant): row for row in demo(Scripted(text), lm, vectors, scenarios(2), tokens=7)
    }
    figures = rows["test failure", "dynamic"].metrics
    assert figures["hits"].value == hits
    assert figures["tokens"].value == 28
    assert figures["coherence"].value == coherence
    assert figures["degenerate"].value == 0
