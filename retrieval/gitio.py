"""Runs git, always on one named git directory and in an environment that no repository can bend.

A mirror is somebody else's data: its configuration may name programs (fsmonitor, hooks, a signature checker),
it may belong to another user, and it may be a partial clone that would call home for a missing object. The
environment built here closes those doors for every command of this room.
"""

import os
import subprocess
from pathlib import Path

from retrieval.errors import GitFailed

_CONFIGURATION = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showSignature": "false",
    "protocol.ext.allow": "never",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",  # bytes/s: a clone that stalls for a minute is given up
    "http.lowSpeedTime": "60",
}
_KEPT = ("GIT_SSL_", "GIT_PROXY_", "GIT_EXEC_PATH")


def environment(protocols: str = "none") -> dict[str, str]:
    """The environment of a git command; `protocols` lists the transports it may use, separated by colons."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    closed = {
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(_CONFIGURATION)),
        "LC_ALL": "C",
    }
    for i, (key, value) in enumerate(_CONFIGURATION.items()):
        closed |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    return kept | closed


def run(git_dir: Path, *arguments: str, stdin: bytes = b"", timeout_s: float = 120) -> bytes:
    """Standard output of `git ARGUMENTS` on `git_dir`.

    Naming the git directory outright also spares the check of its owner, which is meant for directories that
    git finds by itself.

    Raises:
        GitFailed: git is not installed, exits with an error, or runs longer than `timeout_s`.
    """
    env = environment() | {"GIT_DIR": str(git_dir), "GIT_CONFIG_GLOBAL": os.devnull}
    try:
        done = subprocess.run(
            ["git", *arguments], input=stdin, capture_output=True, env=env, timeout=timeout_s, check=False
        )
    except FileNotFoundError:
        raise GitFailed("git is not installed or not on PATH; install git") from None
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git {arguments[0]} on {git_dir} took longer than {timeout_s:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").split("\n")
        raise GitFailed(f"git {arguments[0]} on {git_dir} failed: {lines[0] or done.returncode}")
    return done.stdout
