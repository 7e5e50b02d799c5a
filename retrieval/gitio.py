"""Runs git for the whole program: one list of hardening and one runner, on one named git directory.

A repository is somebody else's data: its configuration may name programs (fsmonitor, hooks, a signature
checker) and bend what a patch means, it may belong to another user, and it may be a partial clone that would
call home for a missing object. What is built here closes those doors for every command.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import GitFailed

TIMEOUT_S = 120.0
_SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "core.sparseCheckout": "false",
    "core.autocrlf": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "apply.whitespace": "nowarn",
    "apply.ignoreWhitespace": "no",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",  # bytes/s: a clone that stalls for a minute is given up
    "http.lowSpeedTime": "60",
}
"""Set over the repository's own configuration. Which transports may be used is in GIT_ALLOW_PROTOCOL alone,
which outdoes all of `protocol.*`."""
_TO_START = {"PATH", "LD_LIBRARY_PATH", "GIT_EXEC_PATH"}
_WHO = {f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_WHO |= {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"}
_TO_CONNECT = ("GIT_SSL_", "GIT_PROXY_", "GIT_EXEC_PATH")


def environment(protocol: str = "") -> dict[str, str]:
    """The whole environment of a git command.

    Without a protocol no transport is allowed and nothing of the user's is passed on but what git needs to
    start. With one (`https`, `file`) that one is, and the user's own configuration and variables are read for
    proxies and certificates, but no GIT_* variable that leads elsewhere.
    """
    if protocol:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_TO_CONNECT)}
    else:
        kept = {k: v for k, v in os.environ.items() if k in _TO_START}
        kept |= {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull}
    closed = {
        "GIT_ALLOW_PROTOCOL": protocol or "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        "LC_ALL": "C",
    }
    for i, (key, value) in enumerate(_SETTINGS.items()):
        closed |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    return kept | closed


def cannot_start(error: OSError) -> GitFailed:
    """That git, or the folder it was to run in, is not there."""
    return GitFailed(f"git cannot be run: {error.filename}: {error.strerror}; install git, or put it on PATH")


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git says of its failure in one line; what it warns of before is no reason."""
    lines = done.stderr.decode(errors="replace").strip().split("\n")
    named = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (named or lines)[0] or f"exit code {done.returncode}"


@dataclass(frozen=True)
class Git:
    """Git on one git directory, always named outright: nothing else is found on the way to it."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a command on this directory."""
        return environment() | {"GIT_DIR": str(self.directory)}

    def at(self, directory: Path) -> "Git":
        """Git on another directory."""
        return Git(directory)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        variables: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> subprocess.CompletedProcess[bytes]:
        """What `git ARGUMENTS` ended with, whatever that is; `variables` are set on top of `environment`.

        Raises:
            GitFailed: git cannot be started, or runs longer than `timeout_s`.
        """
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.directory,
                env=self.environment | dict(variables or {}),
                input=stdin,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except OSError as error:
            raise cannot_start(error) from None
        except subprocess.TimeoutExpired:
            raise GitFailed(f"git {arguments[0]} on {self.directory} took over {timeout_s:g} s") from None

    def identity(self) -> dict[str, str]:
        """Author and committer as the user's own configuration names them, as variables of a command.

        Raises:
            GitFailed: it names nobody.
        """
        found: dict[str, str] = {}
        user = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _WHO}
        for role in ("AUTHOR", "COMMITTER"):
            command = ["git", "-c", "safe.directory=*", "var", f"GIT_{role}_IDENT"]
            try:
                done = subprocess.run(
                    command, env=user | {"GIT_DIR": str(self.directory)}, capture_output=True, check=False
                )
            except OSError as error:
                raise cannot_start(error) from None
            named = re.fullmatch(rb"(.*) <(.*)> \d+ [+-]\d+\n?", done.stdout)
            if done.returncode != 0 or not named:
                said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
                raise GitFailed(said.removeprefix("fatal: ") or "no name")
            name, address = (os.fsdecode(part) for part in named.groups())
            found |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": address}
        return found

    def __call__(self, *arguments: str, stdin: bytes = b"", timeout_s: float = TIMEOUT_S) -> bytes:
        """Standard output of `git ARGUMENTS`.

        Raises:
            GitFailed: as `run` does, and when git ends with an error.
        """
        done = self.run(*arguments, stdin=stdin, timeout_s=timeout_s)
        if done.returncode != 0:
            raise GitFailed(f"git {arguments[0]} on {self.directory} failed: {complaint(done)}")
        return done.stdout


def asked(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """What `git ARGUMENTS` in a folder ended with, on the repository that git finds from there."""
    command, given = ["git", *arguments], environment() | variables
    try:
        return subprocess.run(
            command, cwd=folder, env=given, capture_output=True, check=False, timeout=TIMEOUT_S
        )
    except OSError as error:
        raise cannot_start(error) from None
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git {arguments[0]} in {folder} took over {TIMEOUT_S:g} s") from None


def git_at(path: Path) -> Git | None:
    """Git on the repository whose top folder this is: a checkout, a linked worktree or a bare one, or a link
    to one; None where there is none."""
    folder = path.resolve()
    if not folder.is_dir():
        return None
    # Git looks upwards from here; it must not find the repository that this folder is a part of.
    done = asked(folder, "rev-parse", "--absolute-git-dir", GIT_CEILING_DIRECTORIES=str(folder.parent))
    return Git(Path(os.fsdecode(done.stdout.removesuffix(b"\n")))) if done.returncode == 0 else None
