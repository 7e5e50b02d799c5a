"""Real git repositories, made in the test's own folder."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from retrieval.store import Repository, RepoStore

DAY_S = 86_400


class Workshop:
    """A repository under construction; every commit is a day after the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_600_000_000
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        identity = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
        identity |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}
        dates = {"GIT_AUTHOR_DATE": f"{self.now} +0000", "GIT_COMMITTER_DATE": f"{self.now} +0000"}
        no_settings_of_this_machine = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=identity | dates | no_settings_of_this_machine,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write the files, commit them, and give the hash."""
        self.now += DAY_S
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def repository(self) -> Repository:
        return RepoStore.local(self.folder)


@pytest.fixture
def workshop(tmp_path: Path) -> Callable[..., Workshop]:
    def make(name: str = "project") -> Workshop:
        return Workshop(tmp_path / name)

    return make
