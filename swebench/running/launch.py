"""Runs a project's tests in this process: all of them, those of some files, or some by name.

Runs on the Python of the project's environment, 3.6 or later, and imports nothing of this project. As a
program it is `python launch.py '{"program": …}'`; `reproduce` calls `outcomes` in it, once for each edited
form of the tree. The runner is loaded before anything of the tree comes onto the path, so a project may have
packages that are named like modules of Python's own.
"""

import os
import sys

if __name__ == "__main__":
    del sys.path[0]

import contextlib
import functools
import importlib.util
import json
import runpy
import unittest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_BESIDE = os.path.dirname(os.path.abspath(__file__))
_RANK = ("ERROR", "FAILED", "SKIPPED", "XPASS", "XFAIL", "PASSED")


def main() -> None:
    """Run what the one argument says, and end as the runner does."""
    given = json.loads(sys.argv[1])
    prepare(given["program"])
    entering = os.path.join(_BESIDE, "entering.py")
    runpy.run_path(entering)["enter"](os.path.realpath(given["root"]), given["sources"])
    sys.exit(_run(given["program"], given["arguments"], given["only"]))


def prepare(program: str) -> None:
    """Load the reporter, the runner and its plug-ins before anything of the tree can come in between."""
    _hear()
    if program != "pytest":
        return
    importlib.import_module("pytest")
    with contextlib.suppress(ImportError):  # before Python 3.8
        from importlib import metadata

        for each in metadata.distributions():
            for point in each.entry_points:
                if point.group == "pytest11" and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
                    with contextlib.suppress(Exception):  # pytest says so itself
                        point.load()


@functools.lru_cache(maxsize=1)
def _hear() -> "Callable[[_Tally], None]":
    hear: Callable[[_Tally], None] = runpy.run_path(os.path.join(_BESIDE, "reporter.py"))["hear"]
    return hear


class _Tally:
    """In place of the reporter's report, in a process of one run: of several outcomes of a test the worst."""

    def __init__(self) -> None:
        self.runner = ""
        self.inside = False
        self.found: dict[str, str] = {}

    def take(self, runner: str) -> None:
        self.runner = runner

    def tell(self, *what: str) -> None:
        if what[0] == "test":
            name, status = what[1:]
            self.found[name] = min(self.found.get(name, status), status, key=_RANK.index)


def outcomes(program: str, arguments: "list[str]", only: "list[str]") -> str:
    """The status of each test by its runner's own name for it, as JSON, whatever the tests print."""
    tally = _Tally()
    _hear()(tally)
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
        _run(program, arguments, only)
    return json.dumps(tally.found)


def _run(program: str, arguments: "list[str]", only: "list[str]") -> int:
    chosen = {name.split("\n")[0] for name in only}
    if program == "pytest":
        return _pytest(arguments, chosen)
    _choose(chosen)
    if program == "unittest":
        failed = False
        for part in "\0".join(arguments).split("\0--\0"):  # several starts of a discovery
            argv = ["python -m unittest", *filter(None, part.split("\0"))]
            failed |= not unittest.main(module=None, argv=argv, exit=False).result.wasSuccessful()
        return failed
    sys.argv = arguments[:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
    runpy.run_path(arguments[0], run_name="__main__")
    return 0


def _pytest(arguments: "list[str]", chosen: "set[str]") -> int:
    program = importlib.import_module("pytest")
    modern = int(program.__version__.split(".")[0]) >= 7
    whole = {os.path.realpath(name) for name in chosen if "::" not in name}

    def is_other(config: "pytest.Config", path: object) -> "bool | None":
        """Of a file that holds no chosen test, and is no package that may."""
        name = str(path)
        if not chosen or not os.path.isfile(name) or os.path.basename(name) == "__init__.py":
            return None
        root = str(getattr(config, "rootpath", None) or vars(config)["rootdir"])
        files = {os.path.realpath(os.path.join(root, each.split("::")[0])) for each in chosen}
        return None if os.path.realpath(name) in files | whole else True

    class Chooser:
        if modern:

            def pytest_ignore_collect(
                self, config: "pytest.Config", collection_path: object
            ) -> "bool | None":
                return is_other(config, collection_path)

        else:

            def pytest_ignore_collect(  # type: ignore[misc]
                self, config: "pytest.Config", path: object
            ) -> "bool | None":
                return is_other(config, path)

        def pytest_collection_modifyitems(self, config: "pytest.Config", items: "list[pytest.Item]") -> None:
            def is_chosen(item: "pytest.Item") -> bool:
                return not chosen or item.nodeid in chosen or os.path.realpath(str(item.fspath)) in whole

            config.hook.pytest_deselected(items=[item for item in items if not is_chosen(item)])
            items[:] = [item for item in items if is_chosen(item)]

    sys.argv = ["pytest", *arguments]
    return int(program.main([*arguments, *_settings()], plugins=[Chooser()]))


def _settings() -> "list[str]":
    """What undoes settings of a project that are in the way: stopping early, several processes, coverage."""
    found = ["-p", "no:cacheprovider", "--maxfail=0"]
    # Plug-ins are loaded before pytest looks at them (`prepare`): no error where warnings are errors.
    found += ["-W", "ignore:Module already imported so cannot be rewritten"]
    for module, options in (
        ("xdist", ["-n", "0"]),
        ("pytest_cov", ["--no-cov"]),
        ("pytest_randomly", ["-p", "no:randomly"]),
    ):
        if importlib.util.find_spec(module):
            found += options
    return found


def _choose(chosen: "set[str]") -> None:
    """Have unittest, and what stands on it as django's runner does, run only some tests, or all of a file.

    For the rest of this process, which is for this run alone.
    """
    original: Callable[..., object] = unittest.case.TestCase.run

    @functools.wraps(original)
    def run(self: unittest.TestCase, result: "unittest.TestResult | None" = None) -> object:
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None) or "."
        if not chosen or str(self) in chosen or os.path.relpath(file) in chosen:
            return original(self, result)
        return result

    unittest.case.TestCase.run = run  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
