"""What becomes of a patch that was found: the working tree, a branch, or a mail; nothing where none is asked.

What can be known to be impossible is said before the work begins.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.records import Result
from orchestrator.task.jobs import Job
from retrieval.errors import GitFailed
from retrieval.gitio import Git
from retrieval.titles import title_of
from retrieval.uncommitted import uncommitted

_NO_TITLE = "A patch of orchestrate"


@dataclass(frozen=True)
class Delivery:
    """Whether the patch is applied to the working tree, the branch that it goes to, and whether it is to be a
    mail."""

    apply: bool = False
    branch: str | None = None
    mail: bool = False


def check_ahead(job: Job, delivery: Delivery) -> None:
    """Raise ConfigError for what could not be delivered whatever the patch is."""
    git = job.repository.git
    if delivery.apply and job.repository.checkout is None:
        raise ConfigError(f"--apply: {git.directory} has no working tree; use --branch NAME")
    if delivery.branch is not None:
        name = delivery.branch
        if git.run("check-ref-format", f"refs/heads/{name}").returncode or name.startswith("-"):
            raise ConfigError(f"--branch {name[:80]!r} is no name that git takes for a branch")
        if git.run("rev-parse", "--verify", "--quiet", f"refs/heads/{name}").returncode == 0:
            raise ConfigError(f"--branch {name}: there is such a branch already; choose another name")
    if delivery.branch is not None or delivery.mail:
        _identity(git)


def deliver(job: Job, delivery: Delivery, result: Result) -> list[str]:
    """Put the patch where it is to go; returns a line for each place. Raises ConfigError, GitFailed."""
    said = []
    if delivery.branch is not None:
        commit = _commit(job, result.patch, {})
        reference = f"refs/heads/{delivery.branch}"
        _run(job.repository.git, ["update-ref", reference, commit, "0" * len(commit)])
        said.append(f"branch {delivery.branch}: {commit[:12]}, on {job.commit[:12]}")
    if delivery.apply:
        _apply(job, result.patch, result.files)
        said.append(f"applied to {job.repository.checkout}: {', '.join(result.files)}")
    return said


def mail(job: Job, patch: str) -> bytes:
    """The patch as `git am` takes it, from the user; nothing is left in the repository. Raises GitFailed."""
    git = job.repository.git
    with tempfile.TemporaryDirectory(prefix="objects-") as folder:
        objects = git.directory / git("rev-parse", "--git-path", "objects").decode().rstrip("\n")
        apart = {"GIT_OBJECT_DIRECTORY": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}
        commit = _commit(job, patch, apart)
        return _run(git, ["format-patch", "-1", "--stdout", "--no-signature", commit], variables=apart)


def _commit(job: Job, patch: str, variables: Mapping[str, str]) -> str:
    """A commit of the patch on the base commit with the issue's title, by the user; no checkout is used."""
    git = job.repository.git
    title = title_of(job.task.problem_statement) or _NO_TITLE
    with tempfile.TemporaryDirectory(prefix="index-") as folder:
        own = {**variables, "GIT_INDEX_FILE": str(Path(folder, "index")), "GIT_WORK_TREE": folder}
        _run(git, ["read-tree", job.commit], variables=own)
        _run(git, ["apply", "--cached", "--whitespace=nowarn", "-"], stdin=patch.encode(), variables=own)
        tree = _run(git, ["write-tree"], variables=own).decode().strip()
        own |= _identity(git)
        made = _run(git, ["commit-tree", tree, "-p", job.commit], stdin=f"{title}\n".encode(), variables=own)
        return made.decode().strip()


def _apply(job: Job, patch: str, files: Sequence[str]) -> None:
    git, checkout = job.repository.git, job.repository.checkout
    assert checkout
    here, variables = ["-C", str(checkout)], {"GIT_WORK_TREE": str(checkout)}
    if mine := uncommitted(git, checkout, files):
        raise ConfigError(
            f"--apply: {', '.join(mine)[:200]} has changes that are not committed, so nothing was applied: "
            "commit or stash them, then apply patch.diff of the artifacts with git apply"
        )
    try:
        _run(git, [*here, "apply", "--whitespace=nowarn", "-"], stdin=patch.encode(), variables=variables)
    except GitFailed as failed:
        raise ConfigError(
            f"--apply: the working tree is not at {job.commit[:12]}, and the patch does not apply to it "
            f"({failed}); it is patch.diff of the artifacts"
        ) from None


def _identity(git: Git) -> dict[str, str]:
    try:
        return git.identity()
    except GitFailed as failed:
        raise ConfigError(
            f"git does not know who you are ({failed}): git config --global user.name and user.email"
        ) from None


def _run(
    git: Git, command: list[str], *, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> bytes:
    done = git.run(*command, stdin=stdin, variables=variables)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        raise GitFailed(f"git {command[0]} failed: {said.removeprefix('error: ').removeprefix('fatal: ')}")
    return done.stdout
