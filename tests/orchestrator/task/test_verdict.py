"""A verdict says nothing of a patch where git or the repository has failed."""

from orchestrator.session import Session
from orchestrator.settings import Settings
from orchestrator.task.verdict import verdict_on
from retrieval.progress import silent
from swebench.data.tasks import Instance
from tests.swebench.conftest import CALC, FIX, calc_row, commit, run_git


def test_a_clone_that_lacks_objects_is_the_repository_s_fault_and_not_the_patch_s(tmp_path):
    folder = tmp_path / "mirrors" / "acme__calc"
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    base = commit(folder, CALC)
    blob = run_git(folder, "rev-parse", "HEAD:calc.py")
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    settings = Settings(repos=folder.parent, cache=tmp_path / "cache")
    with Session(settings, progress=silent) as session:
        found = verdict_on(session, Instance.from_row(calc_row(base)), FIX)
    assert not found.resolved and found.applied is None and found.certified is None
    assert found.infrastructure == "repository_unavailable (environment)"
    assert "fetch --refetch" in found.reason
