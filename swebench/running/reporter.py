"""Tells of tests from inside their process what became of each, whatever that process prints.

Its text is written out as the `sitecustomize.py` of a run (`swebench/running/hearing.py`), in a folder before
the tree's own on the path, and so it is loaded before any code of the tree. The first process that starts
pytest, a runner of unittest or sympy's runner opens the report and unlinks its name: no other can open it.
`launch` runs this file by its path, to hear in its own process. It runs on the Python of the repository's
environment, 3.5 or later.
"""

import atexit
import builtins
import fcntl
import functools
import importlib.util
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import unittest
    from collections.abc import Callable, Generator
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    import pluggy
    import pytest

    Function = Callable[..., object]
    Wrapper = Callable[[Function], Function]

_HIGH = 200
"""The lowest number of the report's descriptor: programs that use up or close theirs begin at the bottom."""
_UNITTEST = {
    "addSuccess": "PASSED",
    "addFailure": "FAILED",
    "addError": "ERROR",
    "addSkip": "SKIPPED",
    "addExpectedFailure": "XFAIL",
    "addUnexpectedSuccess": "XPASS",
}
_GENERATOR = 0x20
"""As in `inspect`, which takes as long to import as all else here."""
_SYMPY = {"AssertionError": "FAILED", "Skipped": "SKIPPED", "XFail": "XFAIL", "XPass": "XPASS"}


class _Report:
    """The run's one report, in the process that has it; `runner` is empty in all others.

    `inside` says that a test of unittest runs now: what runs inside of it is its own matter.
    """

    def __init__(self, path: str) -> None:
        self.runner = ""
        self.inside = False
        self._path = path
        self._file = -1
        self._key = b""
        self._process = 0

    def take(self, runner: str) -> None:
        """Open it for a runner, unless this process or another has it already."""
        try:
            low = os.open(self._path, os.O_RDWR | os.O_APPEND)
            os.unlink(self._path)
        except OSError:
            return
        self._file = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(low)
        self._key = os.read(self._file, 1024)
        os.ftruncate(self._file, 0)
        self.runner, self._process = runner, os.getpid()
        self.tell("runner", runner)
        atexit.register(self.tell, "end")

    def tell(self, *what: "object") -> None:
        """Write a line. A fork of the process has the file too, but what it does is not the run's."""
        if self._process == os.getpid():
            try:
                os.write(self._file, self._key + json.dumps(what).encode() + b"\n")
            except OSError:
                self._process = 0  # whoever closed it: without an end the report is none


class _Watch:
    """Finds modules as the others do, and has those of test runners reworked once they are loaded."""

    def __init__(self, rework: "dict[str, Callable[[ModuleType], None]]") -> None:
        self._rework = rework

    def find_spec(self, name: str, path: "object" = None, target: "object" = None) -> "ModuleSpec | None":
        del path, target
        rework = self._rework.pop(name, None)
        spec = importlib.util.find_spec(name) if rework else None
        if rework is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            load(module)
            rework(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def listen(path: str) -> None:
    """Wait for a runner in this process, unless another has had one: then the report has no name any more."""
    if os.path.exists(path):
        hear(_Report(path))


def hear(report: "_Report") -> None:
    """Tell a report of what the runners in this process do, those that are loaded and those that will be."""
    sympy = functools.partial(_hear_sympy, report)
    modules = {
        "_pytest.config": functools.partial(_hear_pytest, report),
        "unittest.runner": functools.partial(_hear_unittest, report),
        "sympy.testing.runtests": sympy,
        "sympy.utilities.runtests": sympy,
    }
    for name in [name for name in modules if name in sys.modules]:
        modules.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, _Watch(modules))  # type: ignore[arg-type]


def _around(owner: type, name: str, wrapper: "Wrapper") -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(wrapper(original)))


def _hear_pytest(report: "_Report", config: "ModuleType") -> None:
    def init(original: "Function") -> "Function":
        def __init__(self: "pytest.PytestPluginManager", *arguments: object, **named: object) -> None:
            original(self, *arguments, **named)
            # Now, when nothing of the tree is loaded yet; later ones are of runs inside of tests.
            if not report.runner:
                report.take("pytest")
                if report.runner:
                    self.register(_pytest_plugin(report, config.hookimpl))

        return __init__

    _around(config.PytestPluginManager, "__init__", init)


def _pytest_plugin(told: "_Report", hookimpl: "Callable[..., Wrapper]") -> "object":
    class Plugin:
        @hookimpl(tryfirst=True)
        def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
            status = _of_pytest(report.when, report.outcome, hasattr(report, "wasxfail"))
            if status:
                told.tell("test", report.nodeid, status)

        @hookimpl(tryfirst=True)
        def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
            if report.outcome == "failed":
                told.tell("test", report.nodeid, "ERROR")

        @hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_makereport(
            self, call: "pytest.CallInfo[None]"
        ) -> "Generator[None, pluggy.Result[pytest.TestReport], None]":
            raised = call.excinfo is not None
            made = (yield).get_result()
            if raised and made.outcome == "passed" and not hasattr(made, "wasxfail"):
                told.tell("overruled", made.nodeid)

    return Plugin()


def _of_pytest(when: "str | None", outcome: str, was_xfail: bool) -> str:
    """One of a test's three reports, as pytest's summary puts it; empty for one that says nothing."""
    if outcome == "failed":
        return "FAILED" if when == "call" else "ERROR"
    if outcome == "skipped":
        return "XFAIL" if was_xfail else "SKIPPED"
    if when == "call":
        return "XPASS" if was_xfail else "PASSED"
    return ""


def _hear_unittest(report: "_Report", runner: "ModuleType") -> None:
    """Django's runner is heard too, as one of unittest's, and so is a project's own that runs suites."""

    def run_all(original: "Function") -> "Function":
        def run(self: object, *arguments: object) -> object:
            if not report.runner:
                report.take("unittest")
            return original(self, *arguments)

        return run

    _around(runner.TextTestRunner, "run", run_all)
    _around(sys.modules["unittest.suite"].TestSuite, "run", run_all)

    def run_one(original: "Function") -> "Function":
        """What a test tells its result, whichever class of the tree that result is of."""

        def run(self: "unittest.TestCase", result: "unittest.TestResult | None" = None) -> object:
            if report.runner != "unittest" or report.inside or result is None:
                return original(self, result)
            report.inside = True
            try:
                return original(self, _Overheard(report, result))
            finally:
                report.inside = False

        return run

    _around(sys.modules["unittest.case"].TestCase, "run", run_one)

    def add(status: str, original: "Function") -> "Function":
        """What happens to tests outside of themselves: the set-up of classes, workers in other processes."""

        def method(self: "unittest.TestResult", test: "unittest.TestCase", *more: object) -> object:
            if report.runner == "unittest" and not report.inside:
                report.tell("test", _described(test), status)
            return original(self, test, *more)

        return method

    for name, status in _UNITTEST.items():
        _around(sys.modules["unittest.result"].TestResult, name, functools.partial(add, status))


class _Overheard:
    """A result of unittest whose outcomes are reported before they are told on."""

    def __init__(self, report: "_Report", result: "unittest.TestResult") -> None:
        self.__dict__.update(_report=report, _result=result)

    def __getattr__(self, name: str) -> object:
        found = getattr(self.__dict__["_result"], name)
        if name not in _UNITTEST and name != "addSubTest":
            return found

        def add(test: "unittest.TestCase", *more: object) -> object:
            status = _UNITTEST.get(name) or _of_subtest(test, more[1])
            if status:
                self.__dict__["_report"].tell("test", _described(test), status)
            return found(test, *more)

        return add

    def __setattr__(self, name: str, value: "object") -> None:
        setattr(self.__dict__["_result"], name, value)


def _of_subtest(test: "unittest.TestCase", error: object) -> str:
    """`error` is as `sys.exc_info` has it, or None."""
    if not isinstance(error, tuple):
        return ""
    return "FAILED" if issubclass(error[0], test.failureException) else "ERROR"


def _described(test: "unittest.TestCase") -> str:
    """As unittest's own runner prints it: the name, and below it the first line of the documentation."""
    first = getattr(test, "shortDescription", lambda: None)()
    return str(test) + ("\n" + first if first else "")


def _hear_sympy(report: "_Report", runtests: "ModuleType") -> None:
    """Its runner executes a file of tests and calls the functions that this defines."""
    original = vars(runtests).get("exec_") or vars(builtins)["exec"]

    def heard_exec(code: object, scope: "dict[str, object]", *more: object) -> None:
        original(code, scope, *more)
        if not report.runner:
            report.take("sympy")
        for name, value in list(scope.items()) if report.runner == "sympy" else ():
            code_of = getattr(value, "__code__", None)
            if name.startswith("test_") and code_of and callable(value) and not code_of.co_flags & _GENERATOR:
                scope[name] = heard(name, getattr(value, "unheard", value))

    def heard(name: str, function: "Function") -> "Function":
        @functools.wraps(function)
        def run(*arguments: object, **named: object) -> object:
            status = "PASSED"
            try:
                return function(*arguments, **named)
            except BaseException as error:
                status = _SYMPY.get(type(error).__name__, "ERROR")
                raise
            finally:
                report.tell("test", name, status)

        run.unheard = function  # type: ignore[attr-defined]
        return run

    vars(runtests).update(exec=heard_exec, exec_=heard_exec)
