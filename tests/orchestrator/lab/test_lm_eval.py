"""Our engine as a model of lm-evaluation-harness answers and scores as lm-eval's own models do."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.lab.answering import Answering
from orchestrator.lab.harness import lm_eval
from orchestrator.session import Session
from orchestrator.settings import Settings
from tests.lab.extraction import LM_EVAL, compared
from vectors.engine.sampling import Sampling
from vectors.measuring.journal import Journal
from vectors.progress import silent


@pytest.fixture(scope="module")
def python(cache_dir):
    """That of an environment with lm-eval, which is made once per machine."""
    try:
        return LM_EVAL.python(cache_dir / "peers")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"lm-eval cannot be installed here: {error}")


@pytest.fixture(scope="module")
def said(tmp_path_factory, tiny_model, python):
    """What both said."""
    root = Path(__file__).parents[3]
    child = subprocess.run(
        [python, Path(__file__).with_name("lm_eval_child.py"), tiny_model, tmp_path_factory.mktemp("said")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return json.loads(child.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("own", "peer"), [("ours", "hf"), ("ours, steered", "steered")])
@pytest.mark.parametrize("task", ["written", "chosen", "letters", "read"])
def test_it_says_what_lm_evals_own_model_says_steered_and_not(said, own, peer, task):
    for (text, scores, metrics), (their_text, their_scores, their_metrics) in zip(
        said["found"][own][task], said["found"][peer][task], strict=True
    ):
        assert text == their_text
        assert scores == pytest.approx(their_scores, abs=1e-4)
        assert metrics == pytest.approx(their_metrics, abs=1e-4)


@pytest.mark.slow
def test_answers_are_read_as_by_lm_evals_own_filters(python):
    said, found = compared(python)
    assert not found
    assert "300 outputs" in said


@pytest.mark.slow
def test_steering_changes_something_that_lm_eval_measures(said):
    assert said["found"]["ours"]["chosen"] != said["found"]["ours, steered"]["chosen"]


@pytest.mark.slow
def test_the_experiment_pairs_each_steering_with_the_unsteered_model(said):
    rows = said["result"]["rows"]
    assert [(row["task"], row["steering"]) for row in rows] == [
        (task, steering)
        for task in ("letters", "written")
        for steering in ("unsteered", "1.5·bug_analysis@1")
    ]
    assert all(row["value"]["n"] == 6 for row in rows)
    assert [row["p_holm"] is None for row in rows] == [True, False, True, False]


@pytest.mark.slow
def test_a_task_that_lm_eval_does_not_know_is_one_line(said):
    assert "no_such_task" in said["unknown"]
    assert "\n" not in said["unknown"]


def test_without_lm_eval_one_line_says_what_to_install():
    with pytest.raises(ConfigError, match=r"steered-orchestrator\[lab\]"):
        lm_eval()


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        yield session


def begun(folder):
    journal = Journal(folder)
    journal.begin({"of": "answering"})
    return journal


def test_scores_are_the_same_whether_options_are_looked_up_or_read_one_by_one(session):
    steerings = [(), (session.vectors.get(session.model, "bug_analysis").intervention(1, 1.5),)]
    answering = Answering(session, steerings, begun(None))
    context = (5, 6, 7, 8)
    together = answering.scores([(context, (token,)) for token in (9, 10, 11)])
    apart = answering.scores([(context, (9,)), (context, (10,)), (context, (11,)), (context, (9, 10))])
    for key, of_each in together.items():
        for one, other in zip(of_each, apart[key], strict=True):
            assert one == (pytest.approx(other[0], abs=1e-5), other[1])


def test_finished_units_are_not_asked_again_and_other_texts_are_refused(session, tmp_path, monkeypatch):
    prompts = [((5, 6, number), Sampling(3)) for number in (7, 8)]
    first = Answering(session, [()], begun(tmp_path)).texts(prompts)
    monkeypatch.delattr("vectors.engine.engine.Engine.submit_all")
    assert Answering(session, [()], begun(tmp_path)).texts(prompts) == first
    with pytest.raises(ConfigError, match="--fresh"):
        Answering(session, [()], begun(tmp_path)).texts(prompts[::-1])
