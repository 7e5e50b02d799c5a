"""Git as this room needs it: what is handed in, and what its failures are called here.

Repositories are another room's; the composition hands in its runner, whose hardening counts here too: neither
a repository's configuration nor a value from outside can run anything, and no transport is used.
"""

from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol, Self

from swebench.errors import GitFailed


class Git(Protocol):
    """Git on one git directory.

    `environment` holds every variable that a command gets, for a program that starts git itself.
    """

    @property
    def directory(self) -> Path:
        """The git directory, absolute."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a command."""
        ...

    def at(self, directory: Path) -> Self:
        """The same on another directory."""
        ...

    def run(
        self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
    ) -> CompletedProcess[bytes]:
        """Run a command to its end, in the git directory, with further variables; a failure is in the answer.

        Raises an error of its own where git cannot be started or takes too long.
        """
        ...


def output(
    git: Git, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> bytes:
    """The standard output of a command; raises GitFailed with git's own complaint."""
    done = git.run(*arguments, stdin=stdin, variables=variables)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().split("\n")
        # What it warns of before is no reason.
        said = next((line for line in lines if line.startswith(("error: ", "fatal: "))), lines[0])
        raise GitFailed(
            said.removeprefix("error: ").removeprefix("fatal: ") or f"git ended with {done.returncode}"
        )
    return done.stdout
