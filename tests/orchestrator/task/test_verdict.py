"""The verdict on a patch: what the hidden tests say, what the certificate says, or what the machine lacks."""

import dataclasses

import pytest

from orchestrator.records import Graded
from orchestrator.session import Session
from orchestrator.settings import Settings
from orchestrator.task import verdict
from orchestrator.task.verdict import verdict_on
from retrieval.errors import RepositoryUnavailable
from retrieval.progress import silent
from swebench.data.tasks import Instance
from swebench.errors import CommitMissing, EnvironmentUnavailable, GitFailed, NotGradeable
from swebench.grading.certificates import Certificates
from swebench.running.hearing import Status
from tests.swebench.conftest import CALC, FIX, calc_row, commit, run_git
from tests.swebench.grading.scripted import ToldBed, told_run

ADD, DOUBLE = "tests/test_calc.py::test_add", "tests/test_calc.py::test_double"
P, F = Status.PASSED, Status.FAILED
RIGHT, WRONG, WORSE = (CALC["calc.py"].replace("a - b", text) for text in ("a + b", "a - b", "a * b"))
WORSENING = FIX.replace("a + b", "a * b")
GOOD = {
    RIGHT: told_run({ADD: P, DOUBLE: P}, seconds=2.04),
    WRONG: told_run({ADD: F, DOUBLE: P}, seconds=0.12),
    WORSE: told_run({ADD: F, DOUBLE: F}, seconds=1.06),
}
COUNTS = "the gold patch resolves it, and without a patch its tests fail"


@pytest.fixture
def mirror(tmp_path):
    """A folder of repositories that holds one, and its commit."""
    folder = tmp_path / "mirrors" / "acme__calc"
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    return folder, commit(folder, CALC)


@pytest.fixture
def session(mirror, tmp_path):
    settings = Settings(repos=mirror[0].parent, cache=tmp_path / "cache")
    with Session(settings, progress=silent) as opened:
        yield opened


@pytest.fixture
def tell(session, monkeypatch):
    """Gives the session a test bed of told runs."""

    def give(runs):
        session.__dict__["test_bed"] = bed = ToldBed(monkeypatch, runs)
        return bed

    return give


@pytest.fixture
def instance(mirror):
    return Instance.from_row(calc_row(mirror[1]))


def test_a_clone_that_lacks_objects_is_the_repository_s_fault_and_not_the_patch_s(
    session, tell, mirror, instance
):
    folder, _ = mirror
    tell(GOOD)
    blob = run_git(folder, "rev-parse", "HEAD:calc.py")
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    found = verdict_on(session, instance, FIX)
    assert not found.resolved and found.applied is None and found.certified is None
    assert found.infrastructure == "repository_unavailable (environment)"
    assert "fetch --refetch" in found.reason


def test_a_patch_is_run_after_both_runs_of_the_certificate_and_the_verdict_is_its_own(
    session, tell, instance
):
    bed = tell(GOOD)
    right = verdict_on(session, instance, FIX)
    assert right == Graded(resolved=True, certified=True, applied=True, reason="all tests pass", seconds=2.0)
    assert [each[0]["calc.py"] for each in bed.ran] == [RIGHT, WRONG, RIGHT]
    worse = verdict_on(session, instance, WORSENING)
    assert worse == Graded(
        resolved=False,
        certified=True,
        applied=True,
        reason="1 of 1 FAIL_TO_PASS and 1 of 1 PASS_TO_PASS tests do not pass",
        seconds=1.1,
    )
    assert len(bed.ran) == 4 and {each[2] for each in bed.ran} == {900.0}
    assert Certificates(session.settings.cache)._folder.is_dir()


def test_the_gold_patch_has_the_verdict_of_the_certificate_which_is_made_anew_only_when_told(
    session, tell, instance
):
    bed = tell(GOOD)
    found = verdict_on(session, instance, None)
    assert found == Graded(resolved=True, certified=True, applied=True, reason=COUNTS, seconds=2.2)
    assert verdict_on(session, instance, None) == found and len(bed.ran) == 2
    assert verdict_on(session, instance, None, fresh=True) == found and len(bed.ran) == 4


@pytest.mark.parametrize("blank", ["", " \n\t\n"])
def test_a_blank_patch_is_told_so_and_not_run(session, tell, instance, blank):
    bed = tell(GOOD)
    found = verdict_on(session, instance, blank)
    assert found == Graded(resolved=False, certified=True, applied=False, reason="the patch is empty")
    assert len(bed.ran) == 2


def test_a_patch_that_does_not_apply_is_not_applied(session, tell, instance):
    tell(GOOD)
    found = verdict_on(session, instance, FIX.replace("a - b", "nothing"))
    assert not found.resolved and found.applied is False and found.certified and found.seconds == 0.0
    assert found.reason.startswith("the patch does not apply: ")


def test_where_the_instance_does_not_count_the_verdict_says_so_beside_its_own_reason(session, tell, instance):
    tell({**GOOD, WRONG: GOOD[RIGHT]})
    why = "not certified: without a patch: all tests pass"
    found = verdict_on(session, instance, FIX)
    assert found.resolved and found.certified is False and found.reason == f"all tests pass; {why}"
    gold = verdict_on(session, instance, None)
    assert gold.resolved and gold.certified is False and gold.applied and gold.reason == why
    assert verdict_on(session, instance, "").certified is False


def test_a_run_that_the_machine_has_spoiled_is_labelled(session, tell, instance):
    spoiled = told_run({}, log="No space left on device", exit_code=1, fault="gone")
    tell({**GOOD, WORSE: spoiled})
    found = verdict_on(session, instance, WORSENING)
    assert not found.resolved and found.certified and found.applied
    assert found.infrastructure == "disk_full (environment)"


@pytest.mark.parametrize(
    ("failed", "lacking"),
    [
        (EnvironmentUnavailable("why"), "environment_unavailable (environment)"),
        (RepositoryUnavailable("why"), "repository_unavailable (environment)"),
        (CommitMissing("why"), "repository_unavailable (environment)"),
        (GitFailed("why"), "repository_unavailable (environment)"),
        (NotGradeable("why"), ""),
    ],
)
def test_what_stops_an_instance_is_its_reason_and_says_nothing_of_the_patch(
    session, tell, instance, failed, lacking
):
    tell({RIGHT: failed, WRONG: failed})
    found = verdict_on(session, instance, FIX)
    assert found == Graded(resolved=False, reason="why", infrastructure=lacking)


def test_a_row_that_cannot_be_graded_and_a_repository_that_is_not_here_are_told(session, tell, instance):
    bed = tell(GOOD)
    found = verdict_on(session, dataclasses.replace(instance, fail_to_pass=()), FIX)
    assert found.reason.startswith("acme__calc-1: FAIL_TO_PASS is empty") and found.infrastructure == ""
    elsewhere = dataclasses.replace(instance.task, base_commit="0" * 40)
    found = verdict_on(session, dataclasses.replace(instance, task=elsewhere), FIX)
    assert found.infrastructure == "repository_unavailable (environment)" and bed.ran == []


def test_a_planted_fault_is_made_before_anything_is_graded(session, tell, instance, monkeypatch):
    tell(GOOD)
    asked = []
    monkeypatch.setattr(verdict, "ready", lambda *given: asked.append(given) or instance)
    planted = dataclasses.replace(instance, fail_to_pass=(), planted="a patch")
    assert verdict_on(session, planted, FIX).resolved
    assert asked == [(session, planted)]
