"""Gold lines scored after a node's prompt, with retrieved code and without, steered and not."""

import json

import pytest

from orchestrator.lab.beside_code import measure_context
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.bundles import bundled_files
from vectors.engine.engine import Engine
from vectors.errors import UnfitAnalysis
from vectors.progress import silent


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        yield session


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Five short tasks of more than one repository."""
    rows = [line for file in bundled_files() for line in file.read_text().splitlines()]
    short = sorted(rows, key=lambda row: len(json.loads(row)["problem_statement"]))[:5]
    assert len({json.loads(row)["repo"] for row in short}) > 1
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    path.write_text("\n".join(short))
    return str(path)


def measured(session, tasks, folder=None, **options):
    return measure_context(
        session,
        "bug_analysis",
        dataset=tasks,
        issue_tokens=32,
        multiples=(0.0, 1.0),
        journal=folder,
        **options,
    )


def test_no_strength_changes_nothing_and_a_strength_something_in_either_regime(session, tasks):
    none, own = measured(session, tasks).effects
    for regime in ("zero-shot", "rag"):
        assert none.by_regime[regime].value == pytest.approx(0, abs=1e-6)
        assert abs(own.by_regime[regime].value) > 1e-4
        assert own.by_regime[regime].n == 5
    difference = own.by_regime["rag"].value - own.by_regime["zero-shot"].value
    assert own.beside_code.value == pytest.approx(difference, abs=1e-6)


def test_the_claim_rests_on_the_vectors_own_dose_and_five_tasks_decide_nothing(session, tasks):
    found = measured(session, tasks)
    (said,) = found.findings()
    assert (said.claim, said.verdict) == ("context_interferes", "undecided")
    assert said.estimate == found.effects[1].by_regime["rag"]
    assert "beside code" in found.section().tables[0].header


def test_an_interrupted_one_goes_on_in_every_part_and_is_equal(session, tasks, tmp_path, monkeypatch):
    whole = measured(session, tasks).model_dump_json()
    asked, most = [], [5]
    submit_all = Engine.submit_all

    def counted(engine, requests):
        if len(asked) == most[0]:
            raise KeyboardInterrupt
        asked.append(requests)
        return submit_all(engine, requests)

    monkeypatch.setattr(Engine, "submit_all", counted)
    with pytest.raises(KeyboardInterrupt):
        measured(session, tasks, ExperimentFolder(tmp_path))
    asked.clear()
    most[0] = 1000
    assert measured(session, tasks, ExperimentFolder(tmp_path)).model_dump_json() == whole
    first = len(asked)
    asked.clear()
    assert measured(session, tasks, ExperimentFolder(tmp_path)).model_dump_json() == whole
    assert asked == []
    assert first > 0


def test_too_few_tasks_are_refused_in_one_line(session, tasks):
    with pytest.raises(UnfitAnalysis, match="4 tasks of two repositories"):
        measured(session, tasks, limit=3)
