"""Instances whose fault is a patch of the row: its base commit is made before anything else looks at it."""

import contextlib
from dataclasses import replace

from orchestrator.session import Session
from retrieval.errors import CommitMissing, RepositoryUnavailable
from retrieval.gitio import Git
from retrieval.store import Repository
from swebench.data.dialects import SMITH
from swebench.data.tasks import Instance
from swebench.patches.planting import plant

PLANTED = "planted"
"""The owner of repositories that hold planted faults, and their folder in the cache."""


def ready(session: Session, instance: Instance) -> Instance:
    """The instance with a base commit that can be had; most have one as they are.

    Raises RepositoryUnavailable, CommitMissing, PatchDoesNotApply, GitFailed.
    """
    if not instance.planted:
        return instance
    repository, base = _origin(session, instance)
    name = f"{PLANTED}/{instance.repo.replace('/', '__')}"
    beside = Git(session.settings.cache / PLANTED / f"{name.replace('/', '__')}.git")
    hidden = {path for test in instance.fail_to_pass if (path := test.partition("::")[0]).endswith(".py")}
    there = {file.path for file in repository.files(base)}
    made = plant(repository.git, beside, base, instance.planted, hidden & there)
    task = replace(instance.task, repo=name, base_commit=made.commit)
    return replace(instance, task=task, patch=made.gold, test_patch=made.test_patch, planted="")


def _origin(session: Session, instance: Instance) -> tuple[Repository, str]:
    """The repository that the row's is a copy of, where it is at hand, else the copy, with the commit."""
    name, commit = instance.repo, instance.task.base_commit
    upstream = name.removeprefix(SMITH).rpartition(".")[0].replace("__", "/", 1)
    if found := session.store.find(upstream):
        with contextlib.suppress(CommitMissing):
            return found, found.resolve(commit)
    try:
        copy = session.store.open(name)
    except RepositoryUnavailable as missing:
        raise RepositoryUnavailable(f"{missing}; a clone of {upstream} will do as well") from None
    try:
        return copy, copy.resolve(commit)
    except CommitMissing:
        return copy, copy.resolve("HEAD")
