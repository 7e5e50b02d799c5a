"""The verdict on one patch, whoever asks for it: `solve`, `evaluate` and `grade` have it from here.

An instance counts only where its certificate says that its tests tell the gold patch from none here. What the
machine lacks for an instance is that instance's reason and stops no other.
"""

from orchestrator.records import Graded
from orchestrator.session import Session
from orchestrator.task.planted import ready
from retrieval.errors import RetrievalError
from swebench.data.tasks import Instance
from swebench.errors import CommitMissing, EnvironmentUnavailable, GitFailed, SwebenchError
from swebench.grading.certificates import Certificates
from swebench.grading.infrastructure import REPOSITORY, UNAVAILABLE
from swebench.grading.verdicts import TIMEOUT_S, ensure_gradeable, grade


def verdict_on(session: Session, instance: Instance, patch: str | None, *, fresh: bool = False) -> Graded:
    """The verdict on a patch, or with None on the gold patch; `fresh` makes the certificate anew.

    Where nothing could be run it says why, and `certified` is None.
    """
    try:
        return _verdict_on(session, instance, patch, fresh)
    except (SwebenchError, RetrievalError) as failed:
        return Graded(resolved=False, reason=str(failed.args[0]), infrastructure=_label(failed))


def _label(failed: SwebenchError | RetrievalError) -> str:
    """What the machine lacks, where it lacks something: that says nothing of the patch."""
    if isinstance(failed, EnvironmentUnavailable):
        return UNAVAILABLE
    return REPOSITORY if isinstance(failed, RetrievalError | GitFailed | CommitMissing) else ""


def _verdict_on(session: Session, instance: Instance, patch: str | None, fresh: bool) -> Graded:
    instance = ready(session, instance)
    ensure_gradeable(instance)
    git = session.store.open(instance.repo).git
    store = Certificates(session.settings.cache)
    found = store.of(instance, git, test_bed=session.test_bed, timeout_s=TIMEOUT_S, fresh=fresh)
    if patch is None:
        return Graded(
            resolved=found.gold_resolves,
            certified=found.certified,
            applied=True,
            reason=found.reason,
            seconds=round(found.seconds, 1),
        )
    if not patch.strip():
        return Graded(resolved=False, certified=found.certified, applied=False, reason="the patch is empty")
    verdict = grade(instance, git, patch, test_bed=session.test_bed)
    return Graded(
        resolved=verdict.resolved,
        certified=found.certified,
        applied=verdict.applied,
        reason=verdict.reason if found.certified else f"{verdict.reason}; {found.reason}",
        seconds=round(verdict.seconds, 1),
        infrastructure=verdict.infrastructure,
    )
