"""What runs inside the official package's environment: one JSON request on stdin, one JSON answer on stdout.

Started as a script with `python -I`; we use nothing of it but its path. The package's `__init__` files load
its Docker and data-set code, which has dozens of dependencies and no part in specs or parsers; they
are left out by naming the package's folders to the import system. What it would fetch from the code host,
requirement files at a commit, is read from the local repository instead.
"""

import importlib
import importlib.util
import json
import posixpath
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

_RAW = "https://raw.githubusercontent.com/"
"""How the official code begins the address of a file; what follows is owner/name/commit/path."""


def _get_from(environment: dict[str, str]) -> Callable[..., types.SimpleNamespace]:
    """`requests.get` on a local repository: 200 and the text of a file at a commit, else 404."""

    def get(url: str, **_: object) -> types.SimpleNamespace:
        _owner, _name, commit, path = url.removeprefix(_RAW).split("/", 3)
        command = ["git", "cat-file", "blob", f"{commit}:{posixpath.normpath(path)}"]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        text = done.stdout.decode("utf-8", "replace")
        return types.SimpleNamespace(status_code=404 if done.returncode else 200, text=text)

    return get


def _prepare(git_environment: dict[str, str]) -> None:
    found = importlib.util.find_spec("swebench")
    assert found is not None and found.origin is not None
    root = Path(found.origin).parent
    for name, folder in (("swebench", root), ("swebench.harness", root / "harness")):
        _stub(name, __path__=[str(folder)])
    _stub("requests", get=_get_from(git_environment))
    _stub("dotenv", load_dotenv=lambda: None)
    _stub("datasets", Dataset=object, load_dataset=None, load_from_disk=None)


def _stub(name: str, **content: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def _official(name: str) -> Any:
    return importlib.import_module(f"swebench.harness.{name}")


def spec(repo: str, version: str, commit: str) -> dict[str, object] | None:
    """The official spec of a repository's version; file names of requirements become the files' texts."""
    constants, python = _official("constants"), _official("test_spec.python")
    found = constants.MAP_REPO_VERSION_TO_SPECS.get(repo, {}).get(version)
    if found is None or constants.MAP_REPO_TO_EXT[repo] != "py":
        return None
    row, packages = {"repo": repo, "environment_setup_commit": commit}, found.get("packages", "")
    answer: dict[str, object] = {
        key: found.get(key, []) for key in ("pip_packages", "pre_install", "eval_commands")
    }
    answer |= {key: found.get(key, "") for key in ("python", "install", "test_cmd")}
    answer |= {"packages": "", "requirements": "", "conda": ""}
    if packages == "requirements.txt":
        answer["requirements"] = python.get_requirements(row)
    elif packages == "environment.yml":
        answer["conda"] = python.get_environment_yml(row, "testbed")
    else:
        answer["packages"] = packages
    return answer


def directives(repo: str, test_patch: str) -> list[str]:
    """What the test command is given to run the files of a test patch."""
    row = {"repo": repo, "test_patch": test_patch}
    found: list[str] = _official("test_spec.python").get_test_directives(row)
    return found


def statuses(repo: str, logs: list[str]) -> list[dict[str, str]]:
    """The status of each test that a log speaks of, for each log."""
    parse = _official("log_parsers").MAP_REPO_TO_PARSER[repo]
    return [parse(log, None) for log in logs]


if __name__ == "__main__":
    request = json.load(sys.stdin)
    _prepare(request.pop("git_environment", {}))
    operations: dict[str, Callable[..., object]] = {
        "spec": spec,
        "directives": directives,
        "statuses": statuses,
    }
    json.dump(operations[request.pop("do")](**request), sys.stdout)
