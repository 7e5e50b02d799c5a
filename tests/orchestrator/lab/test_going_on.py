"""Each long analysis, interrupted after some units and asked for again: it makes the rest, and is equal."""

import json

import pytest

from orchestrator.calibration.calibrating import Asked, calibrated
from orchestrator.lab.composition import compose_domains
from orchestrator.lab.diversity import measure_diversity
from orchestrator.lab.gsm8k import measure_gsm8k
from orchestrator.lab.knowledge import Asked as QuestionsAsked
from orchestrator.lab.mmlu_pro import measure_mmlu_pro
from orchestrator.lab.scenarios import play_scenarios
from orchestrator.lab.sweeping import sweep_vector
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.bundles import bundled_files
from tests.lab.rows import gsm8k_file, mmlu_pro_file
from vectors.calibration import controls
from vectors.engine.engine import Engine
from vectors.measuring.journal import Journal
from vectors.progress import silent

PROMPTS = ("Go on.", "Why?")


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="bfloat16")
    with Session(settings, progress=silent) as session:
        yield session


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Three tasks, a few texts and controls: what a calibration is made of."""
    monkeypatch.setattr(controls, "COUNTS", dict.fromkeys(controls.KINDS, 2))
    (tmp_path / "texts.json").write_text(json.dumps([f"`name_{i}` is in a.py" for i in range(12)]))
    rows = [line for file in bundled_files() for line in file.read_text().splitlines()]
    (tmp_path / "tasks.jsonl").write_text("\n".join(sorted(rows, key=len)[:3]))
    return {"dataset": str(tmp_path / "tasks.jsonl"), "texts": tmp_path / "texts.json"}


def sweep(session, journal, _):
    return sweep_vector(
        session, "code_reading", PROMPTS, layers=[1, 2], shares=[0.5], tokens=2, journal=journal
    ).model_dump_json()


def diversity(session, journal, _):
    return measure_diversity(
        session, "code_reading", PROMPTS, samples=8, tokens=2, journal=journal
    ).model_dump_json()


def compose(session, journal, _):
    names = ["code_reading", "bug_analysis"]
    return compose_domains(session, names, PROMPTS, tokens=2, journal=journal).model_dump_json()


def demo(session, journal, _):
    return play_scenarios(session, reports=1, tokens=2, journal=journal).model_dump_json()


def gsm8k(session, journal, _):
    data = gsm8k_file(session.settings.cache, 20)
    return measure_gsm8k(
        session, dataset=data, styles=["cot", "few-shot-3"], tokens=2, journal=journal
    ).model_dump_json()


def mmlu_pro(session, journal, _):
    asked = QuestionsAsked(mmlu_pro_file(session.settings.cache, 20), per_domain=20)
    return measure_mmlu_pro(session, asked, scoring="both", tokens=2, journal=journal).model_dump_json()


def calibrate(session, journal, few):
    asked = Asked("bug_analysis", "zero-shot", "likelihood", [0.3], layers=[1, 2], **few)
    document = calibrated(session, asked, journal).document()
    return json.dumps(document | {"seconds": None})


def false_rate(session, journal, few):
    asked = Asked("code_reading", "zero-shot", "degeneration", [0.3], shuffled_runs=2, n=8, **few)
    return json.dumps(calibrated(session, asked, journal).document() | {"seconds": None})


@pytest.mark.parametrize(
    "analysis", [sweep, diversity, compose, demo, gsm8k, mmlu_pro, calibrate, false_rate]
)
def test_what_was_interrupted_and_gone_on_with_equals_what_was_not(
    session, few, tmp_path, monkeypatch, analysis
):
    analysis(session, Journal(), few)  # from now on it is known how strongly vectors steer
    asked, most, told = [], [10_000], []
    submit_all = Engine.submit_all

    def counted(engine, requests):
        if len(asked) == most[0]:
            raise KeyboardInterrupt
        asked.append(requests)
        return submit_all(engine, requests)

    monkeypatch.setattr(Engine, "submit_all", counted)
    whole = analysis(session, Journal(), few)
    units = len(asked)
    asked.clear()
    most[0] = units // 2
    with pytest.raises(KeyboardInterrupt):
        analysis(session, Journal(tmp_path / "kept"), few)
    asked.clear()
    most[0] = 10_000
    journal = Journal(tmp_path / "kept", lambda journal: told.append((journal.found, journal.units)))
    assert analysis(session, journal, few) == whole
    assert len(asked) == units - units // 2 > 0
    assert sum(found for found, _ in told) == units // 2
    if analysis not in (calibrate, false_rate):
        assert told == [(units // 2, units)]
    assert journal.kept == units
