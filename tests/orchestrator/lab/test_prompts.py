"""`lab prompts` with a tiny model: all strategies in one batch, interrupted and resumed to the same."""

import pytest

from orchestrator.lab.prompt_baselines import check_strategies, measure_prompts
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.engine.engine import Engine
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.calendar_cases import written_cases
from vectors.lab.evaluation.calendar_prompts import STRATEGIES, Asking
from vectors.lab.evaluation.calendar_scores import marks
from vectors.lab.evaluation.calendar_strategies import Scored, contrasts
from vectors.measuring.journal import Journal
from vectors.progress import silent


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="bfloat16")
    with Session(settings, progress=silent) as session:
        yield session


def measured(session, journal=None, **asked):
    return measure_prompts(session, **{"limit": 4, "n_variants": 4, "tokens": 4, "journal": journal, **asked})


def test_all_strategies_of_a_request_are_asked_in_one_batch_and_a_kill_changes_nothing(
    session, monkeypatch, tmp_path
):
    whole = measured(session)
    batches, submit_all = [], Engine.submit_all

    def counted(engine, requests):
        if len(batches) == 1:
            raise KeyboardInterrupt
        batches.append(requests)
        return submit_all(engine, requests)

    monkeypatch.setattr(Engine, "submit_all", counted)
    with pytest.raises(KeyboardInterrupt):
        measured(session, Journal(tmp_path))
    assert sum(bool(request.steering) for request in batches[0]) == len(batches[0]) // 4
    assert any(request.sampling.constraint for request in batches[0])
    batches.clear()
    assert measured(session, Journal(tmp_path)) == whole
    assert len(batches) == 1


def test_a_constrained_answer_always_is_an_event(session):
    found = measured(session, strategies=["constrained-json"], limit=2, n_variants=0, tokens=480)
    (outcome,) = found.outcomes
    assert outcome.unparsed.value == outcome.unfinished.value == 0
    assert not found.contrasts
    assert found.findings() == ()


def test_the_result_has_every_strategy_each_contrast_and_the_claim(session):
    found = measured(session)
    assert [each.strategy for each in found.outcomes] == list(STRATEGIES)
    assert {each.strategy for each in found.contrasts if each.against == "zero-shot"} == {
        *STRATEGIES[1:6],
        *STRATEGIES[6:7],
        "steering+few-shot-3",
    }
    assert [(each.claim, each.estimate.n) for each in found.findings()] == [("prompts_beat_steering", 8)]
    assert found.figure().axes


def test_strategies_differ_in_what_they_say_and_in_nothing_else(session):
    vector = session.vectors.get(session.model, "calendar").intervention()
    asking, case = Asking(session.model, vector, 4), written_cases()[0]
    asked = {strategy: asking.request(case, strategy) for strategy in STRATEGIES}
    assert (
        asked["steering"].prompt_ids == asked["zero-shot"].prompt_ids == asked["constrained-json"].prompt_ids
    )
    assert asked["steering+few-shot-3"].prompt_ids == asked["few-shot-3"].prompt_ids
    assert len(asked["few-shot-5"].prompt_ids) > len(asked["few-shot-3"].prompt_ids)
    assert {name for name, request in asked.items() if request.steering} == {
        name for name in STRATEGIES if name.startswith("steering")
    }


def test_a_family_of_tests_is_paired_by_request_and_adjusted():
    cases = written_cases()[:10]
    right = [marks(f'{{"date": "{case.expected.date[0]}"}}', case.expected) for case in cases]
    wrong = [marks("", case.expected) for case in cases]
    of = Scored(cases, {"zero-shot": wrong, "few-shot-3": right, "steering": wrong}, {})
    better, same = contrasts(of, [("few-shot-3", "zero-shot"), ("steering", "zero-shot")])
    assert better.partial_difference.low > 0.3
    assert better.partial_p < 0.001
    assert same.partial_p == same.exact_p == 1
    assert same.partial_difference.value == 0


def test_what_cannot_be_asked_is_refused_in_one_line(session):
    with pytest.raises(UnfitAnalysis, match="few-shot-3"):
        check_strategies(["few-shot3"])
    with pytest.raises(UnfitAnalysis, match="two at least"):
        measured(session, limit=1, n_variants=0)
