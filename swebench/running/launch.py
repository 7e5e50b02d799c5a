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
from typing import Any

_UNITTEST = {
    "addSuccess": "PASSED",
    "addFailure": "FAILED",
    "addError": "ERROR",
    "addSkip": "SKIPPED",
    "addExpectedFailure": "XFAIL",
    "addUnexpectedSuccess": "XPASS",
}
_RANK = ("ERROR", "FAILED", "SKIPPED", "XPASS", "XFAIL", "PASSED")


def main() -> None:
    """Run what the one argument says, and end as the runner does."""
    given = json.loads(sys.argv[1])
    prepare(given["program"])
    entering = os.path.join(os.path.dirname(os.path.abspath(__file__)), "entering.py")
    runpy.run_path(entering)["enter"](os.path.realpath(given["root"]), given["sources"])
    sys.exit(_run(given["program"], given["arguments"], given["only"], {}))


def prepare(program: str) -> None:
    """Load the runner and its plug-ins before anything of the tree can come in between."""
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


def outcomes(program: str, arguments: "list[str]", only: "list[str]") -> str:
    """The status of each test by its runner's own name for it, as JSON, whatever the tests print."""
    found: dict[str, str] = {}
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
        _run(program, arguments, only, found)
    return json.dumps(found)


def _run(program: str, arguments: "list[str]", only: "list[str]", found: "dict[str, str]") -> int:
    chosen = {name.split("\n")[0] for name in only}
    if program == "pytest":
        return _pytest(arguments, chosen, found)
    _hear(chosen, found)
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


def _pytest(arguments: "list[str]", chosen: "set[str]", found: "dict[str, str]") -> int:
    pytest = importlib.import_module("pytest")
    modern = int(pytest.__version__.split(".")[0]) >= 7
    whole = {os.path.realpath(name) for name in chosen if "::" not in name}

    def is_other(config: "Any", path: str) -> "bool | None":
        """Of a file that holds no chosen test, and is no package that may."""
        if not chosen or not os.path.isfile(path) or os.path.basename(path) == "__init__.py":
            return None
        root = str(getattr(config, "rootpath", None) or config.rootdir)
        files = {os.path.realpath(os.path.join(root, name.split("::")[0])) for name in chosen}
        return None if os.path.realpath(path) in files | whole else True

    class Chooser:
        if modern:

            def pytest_ignore_collect(self, config: "Any", collection_path: "Any") -> "bool | None":
                return is_other(config, str(collection_path))

        else:

            def pytest_ignore_collect(  # type: ignore[misc]
                self, config: "Any", path: "Any"
            ) -> "bool | None":
                return is_other(config, str(path))

        def pytest_collection_modifyitems(self, config: "Any", items: "list[Any]") -> None:
            def is_chosen(item: "Any") -> bool:
                return not chosen or item.nodeid in chosen or os.path.realpath(str(item.fspath)) in whole

            config.hook.pytest_deselected(items=[item for item in items if not is_chosen(item)])
            items[:] = [item for item in items if is_chosen(item)]

        def pytest_runtest_logreport(self, report: "Any") -> None:
            expected = hasattr(report, "wasxfail")
            status = {"failed": "FAILED" if report.when == "call" else "ERROR"}.get(report.outcome)
            if report.outcome == "skipped":
                status = "XFAIL" if expected else "SKIPPED"
            elif report.outcome == "passed" and report.when == "call":
                status = "XPASS" if expected else "PASSED"
            _note(found, report.nodeid, status)

        def pytest_collectreport(self, report: "Any") -> None:
            _note(found, report.nodeid, "ERROR" if report.failed else None)

    sys.argv = ["pytest", *arguments]
    return int(pytest.main([*arguments, *_settings()], plugins=[Chooser()]))


def _settings() -> "list[str]":
    """What undoes settings of a project that are in the way: stopping early, several processes, coverage."""
    found = ["-p", "no:cacheprovider", "--maxfail=0"]
    for module, options in (
        ("xdist", ["-n", "0"]),
        ("pytest_cov", ["--no-cov"]),
        ("pytest_randomly", ["-p", "no:randomly"]),
    ):
        if importlib.util.find_spec(module):
            found += options
    return found


def _hear(chosen: "set[str]", found: "dict[str, str]") -> None:
    """Notes what unittest, and what stands on it as django's runner does, says of tests; runs only some.

    For the rest of this process, which is for this run alone.
    """

    def add(status: str, original: "Any", self: "Any", test: "Any", *more: "Any") -> "Any":
        _note(found, _described(test), status)
        return original(self, test, *more)

    def add_subtest(original: "Any", self: "Any", test: "Any", subtest: "Any", error: "Any") -> "Any":
        if error is not None:
            failed = issubclass(error[0], test.failureException)
            _note(found, _described(test), "FAILED" if failed else "ERROR")
        return original(self, test, subtest, error)

    def run(original: "Any", self: "Any", result: "Any" = None) -> "Any":
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None) or ""
        if not chosen or str(self) in chosen or os.path.relpath(file or ".") in chosen:
            return original(self, result)
        return result

    results, cases = unittest.result.TestResult, unittest.case.TestCase
    wrappers = {name: functools.partial(add, status) for name, status in _UNITTEST.items()}
    for name, wrapper in wrappers.items():
        _around(results, name, wrapper)
    _around(results, "addSubTest", add_subtest)
    _around(cases, "run", run)


def _around(owner: "Any", name: str, wrapper: "Any") -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def method(self: "Any", *arguments: "Any", **named: "Any") -> "Any":
        return wrapper(original, self, *arguments, **named)

    setattr(owner, name, method)


def _note(found: "dict[str, str]", name: str, status: "str | None") -> None:
    """Of several outcomes of a test the worst counts."""
    if status:
        found[name] = min(found.get(name, status), status, key=_RANK.index)


def _described(test: "Any") -> str:
    first = getattr(test, "shortDescription", lambda: None)()
    return str(test) + ("\n" + first if first else "")


if __name__ == "__main__":
    main()
