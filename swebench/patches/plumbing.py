"""Git's plumbing, run so that neither a repository's configuration nor a value from outside can run anything.

Every command gets an empty environment with explicit settings that override the repository's own: no hooks,
no file-system monitor, no filters, no transport, no replaced objects, no network for missing ones.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from swebench.errors import GitFailed

_SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "core.sparseCheckout": "false",
    "core.autocrlf": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "apply.whitespace": "nowarn",
    "apply.ignoreWhitespace": "no",
    "protocol.allow": "never",
    "gc.auto": "0",
}


def _environment() -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for number, (key, value) in enumerate(_SETTINGS.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def git_folder(path: Path) -> Path:
    """The git directory of a repository given as that directory, a working tree, or a link to either."""
    inside = path / ".git"
    if inside.is_file():
        # A linked working tree: its .git is a file that says where the directory is.
        pointer = inside.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip()
        return (path / pointer).resolve()
    return (inside if inside.exists() else path).resolve()


def git(
    git_dir: Path,
    *arguments: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> bytes:
    """Run one git command in `git_dir` and return its standard output.

    `environment` adds GIT_* variables. Raises GitFailed with git's own complaint, or when it takes too long.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=git_dir,
            env=_environment() | {"GIT_DIR": str(git_dir)} | dict(environment or {}),
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git {arguments[0]} took more than {timeout_s:g} s in {git_dir}") from None
    except OSError as error:
        raise GitFailed(f"git {arguments[0]} cannot be run in {git_dir}: {error.strerror}") from None
    if done.returncode != 0:
        complaints = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise GitFailed(complaints[0].removeprefix("error: ").removeprefix("fatal: "))
    return done.stdout
