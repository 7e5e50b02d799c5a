"""Tells of tests from inside their process what became of each, whatever that process prints.

Its text is written out as the `sitecustomize.py` of a run (`swebench/running/hearing.py`), in a folder before
the tree's own on the path, and so it is loaded before any code of the tree; it is never imported by us. The
first process that starts pytest, a runner of unittest or sympy's runner opens the report and unlinks its
name: no other can open it. It runs on the Python of the repository's environment, 3.5 or later.
"""

import atexit
import fcntl
import functools
import importlib.util
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType
    from typing import Any

    Function = Callable[..., Any]
    Wrapper = Callable[[Function], Function]
    Error = tuple[type[BaseException], BaseException, TracebackType]

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
        report = _Report(path)
        sympy = functools.partial(_hear_sympy, report)
        modules = {
            "_pytest.config": functools.partial(_hear_pytest, report),
            "unittest.runner": functools.partial(_hear_unittest, report),
            "sympy.testing.runtests": sympy,
            "sympy.utilities.runtests": sympy,
        }
        sys.meta_path.insert(0, _Watch(modules))  # type: ignore[arg-type]


def _around(owner: "Any", name: str, wrapper: "Wrapper") -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(wrapper(original)))


def _hear_pytest(report: "_Report", config: "Any") -> None:
    def init(original: "Function") -> "Function":
        def __init__(self: "Any", *arguments: "Any", **named: "Any") -> None:
            original(self, *arguments, **named)
            # Now, when nothing of the tree is loaded yet; later ones are of runs inside of tests.
            if not report.runner:
                report.take("pytest")
                if report.runner:
                    self.register(_pytest_plugin(report, config.hookimpl), "reporter-from-outside")

        return __init__

    _around(config.PytestPluginManager, "__init__", init)


def _pytest_plugin(report: "_Report", hookimpl: "Any") -> "object":
    class Plugin:
        @hookimpl(tryfirst=True)  # type: ignore[untyped-decorator]
        def pytest_runtest_logreport(self, report: "Any") -> None:
            tell("test", report.nodeid, report.when, report.outcome, hasattr(report, "wasxfail"))

        @hookimpl(tryfirst=True)  # type: ignore[untyped-decorator]
        def pytest_collectreport(self, report: "Any") -> None:
            if report.outcome == "failed":
                tell("test", report.nodeid, "collect", "failed", False)

        @hookimpl(hookwrapper=True, tryfirst=True)  # type: ignore[untyped-decorator]
        def pytest_runtest_makereport(self, call: "Any") -> "Iterator[None]":
            raised = call.excinfo is not None
            made = (yield).get_result()  # type: ignore[attr-defined]
            if raised and made.outcome == "passed" and not hasattr(made, "wasxfail"):
                tell("overruled", made.nodeid)

    tell = report.tell
    return Plugin()


def _hear_unittest(report: "_Report", runner: "Any") -> None:
    """Django's runner is heard too, since it is one of unittest's."""

    def run_all(original: "Function") -> "Function":
        def run(self: "Any", test: "Any") -> "Any":
            if not report.runner:
                report.take("unittest")
            return original(self, test)

        return run

    _around(runner.TextTestRunner, "run", run_all)

    def run_one(original: "Function") -> "Function":
        """What a test tells its result, whichever class of the tree that result is of."""

        def run(self: "Any", result: "Any" = None) -> "Any":
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

        def method(self: "Any", test: "Any", *more: "Any") -> "Any":
            if report.runner == "unittest" and not report.inside:
                report.tell("described", _described(test), status)
            return original(self, test, *more)

        return method

    for name, status in _UNITTEST.items():
        _around(sys.modules["unittest.result"].TestResult, name, functools.partial(add, status))


class _Overheard:
    """A result of unittest whose outcomes are reported before they are told on."""

    def __init__(self, report: "_Report", result: "Any") -> None:
        self.__dict__.update(_report=report, _result=result)

    def __getattr__(self, name: str) -> "Any":
        found = getattr(self.__dict__["_result"], name)
        if name not in _UNITTEST and name != "addSubTest":
            return found

        def add(test: "Any", *more: "Any") -> "Any":
            status = _UNITTEST.get(name) or _of_subtest(test, more[1])
            if status:
                self.__dict__["_report"].tell("described", _described(test), status)
            return found(test, *more)

        return add

    def __setattr__(self, name: str, value: "object") -> None:
        setattr(self.__dict__["_result"], name, value)


def _of_subtest(test: "Any", error: "Error | None") -> str:
    if error is None:
        return ""
    return "FAILED" if issubclass(error[0], test.failureException) else "ERROR"


def _described(test: "Any") -> str:
    """As unittest's own runner prints it: the name, and below it the first line of the documentation."""
    first = getattr(test, "shortDescription", lambda: None)()
    return str(test) + ("\n" + first if first else "")


def _hear_sympy(report: "_Report", runtests: "Any") -> None:
    """Its runner executes a file of tests and calls the functions that this defines."""
    original = getattr(runtests, "exec_", exec)

    def heard_exec(code: "Any", scope: "dict[str, Any]", *more: "Any") -> None:
        original(code, scope, *more)
        if not report.runner:
            report.take("sympy")
        for name, function in list(scope.items()) if report.runner == "sympy" else ():
            code_of = getattr(function, "__code__", None)
            if name.startswith("test_") and code_of and not code_of.co_flags & _GENERATOR:
                scope[name] = heard(name, getattr(function, "unheard", function))

    def heard(name: str, function: "Function") -> "Function":
        @functools.wraps(function)
        def run(*arguments: "Any", **named: "Any") -> "Any":
            status = "PASSED"
            try:
                return function(*arguments, **named)
            except BaseException as error:
                status = _SYMPY.get(type(error).__name__, "ERROR")
                raise
            finally:
                report.tell("described", name, status)

        run.unheard = function  # type: ignore[attr-defined]
        return run

    runtests.exec = runtests.exec_ = heard_exec
