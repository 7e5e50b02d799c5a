"""Runs the code of an issue on a tree and on edited forms of it, each in a process of its own.

It runs on the Python of the repository's environment, 3.6 or later, so annotations are quoted. Started by
`reproduction` inside the confined runner with one JSON argument; nothing of this project is
imported here. The tree is written out once: an edited form is a file whose text the importer sees otherwise.
Each form is a fork of one process that has already imported what does not belong to the tree, so it costs the
time of importing the tree alone.
"""

import os
import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder; what the tree holds comes in its place once all below is loaded

import builtins
import contextlib
import gc
import importlib
import importlib.machinery
import io
import json
import runpy
import select
import signal
import time
import types
from typing import Any

MARK = "\x1e"
_MAX_ANSWER = 4 << 20
_FUNCTION = 1
"""CO_OPTIMIZED: set in the code of functions alone."""


def main() -> None:
    """Write one line for each form as it ends: its number and what its cells showed, or None."""
    given = json.loads(sys.argv[1])
    sys.dont_write_bytecode = True  # of a form: the next one would be taken from there
    given["root"] = os.path.realpath(given["root"])
    here = os.path.dirname(os.path.abspath(__file__))
    given["launch"] = {}
    if given["runner"]:
        given["launch"] = runpy.run_path(os.path.join(here, "launch.py"))
        given["launch"]["prepare"](given["runner"])
    runpy.run_path(os.path.join(here, "entering.py"))["enter"](given["root"], given["sources"])
    forms = list(enumerate(given["forms"]))[::-1]
    if len(forms) > 1:
        _preload(given)
    if hasattr(gc, "freeze"):  # Python 3.7
        gc.freeze()  # forks need not look through what they share, nor copy it
    running: dict[int, tuple[int, int, float, bytes]] = {}  # pipe to number, process, deadline, what came
    while forms or running:
        while forms and len(running) < given["workers"]:
            number, form = forms.pop()
            pipe, process = _start(given, form)
            running[pipe] = number, process, time.monotonic() + given["timeout_s"], b""
        ready, _, _ = select.select(list(running), [], [], 0.05)
        for pipe, (number, process, deadline, came) in list(running.items()):
            piece = os.read(pipe, 1 << 16) if pipe in ready else b"..."
            if pipe in ready and piece and len(came) < _MAX_ANSWER:
                running[pipe] = number, process, deadline, came + piece
            elif not piece or time.monotonic() > deadline or len(came) >= _MAX_ANSWER:
                _end(pipe, process)
                del running[pipe]
                _say(number, came if not piece else b"")


def _preload(given: "dict[str, Any]") -> None:
    """Import what the code needs and the tree does not hold, so that no form has to."""
    pipe, process = _start(given, None)
    with os.fdopen(os.dup(pipe), "rb") as answer, contextlib.suppress(ValueError, KeyError):
        for name in json.loads(answer.read(_MAX_ANSWER))["outside"]:
            with contextlib.suppress(BaseException):
                importlib.import_module(name)
    _end(pipe, process)
    for name, module in list(sys.modules.items()):
        if _is_inside(given["root"], module):
            del sys.modules[name]


def _start(
    given: "dict[str, Any]", form: "tuple[str, list[tuple[int, int, str]], str] | None"
) -> "tuple[int, int]":
    pipe, end = os.pipe()
    process = os.fork()
    if process:
        os.close(end)
        return pipe, process
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    with contextlib.suppress(BaseException):
        answer = json.dumps(_run(given, form)).encode()
        while answer:
            answer = answer[os.write(end, answer) :]
    os._exit(0)


def _end(pipe: int, process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(pipe)


def _say(number: int, answer: bytes) -> None:
    seen, lines = None, {}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        found = json.loads(answer)
        seen, lines = found["seen"], found["lines"]
    sys.stdout.write(f"\n{MARK}{json.dumps([number, seen, lines])}{MARK}\n")
    sys.stdout.flush()


def _run(
    given: "dict[str, Any]", form: "tuple[str, list[tuple[int, int, str]], str] | None"
) -> "dict[str, object]":
    root = given["root"]
    if form:
        path, changes, encoding = form
        _edit(os.path.join(root, path), changes, encoding)
    names: dict[str, object] = {"__name__": "__main__"}
    if given["launch"]:
        names["outcomes"] = given["launch"]["outcomes"]
    for package in given["packages"]:
        with contextlib.suppress(BaseException):
            exec(f"from {package} import *", names)
    for module, name in given["names"]:
        if name not in names and not hasattr(builtins, name):
            with contextlib.suppress(BaseException):
                names[name] = getattr(importlib.import_module(module), name)
    seen: list[list[str]] = []
    lines: dict[str, set[int]] = {}
    if given["trace"]:
        sys.settrace(_tracer(root, lines))
    for kind, source in given["cells"]:
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(source, "<issue>", kind), names)
            seen.append([out.getvalue(), ""])
        except BaseException as error:
            seen.append([out.getvalue(), type(error).__name__])
    sys.settrace(None)
    ran = {os.path.relpath(path, root): sorted(numbers) for path, numbers in lines.items()}
    return {
        "seen": seen,
        "lines": ran,
        "outside": [n for n, m in list(sys.modules.items()) if not _is_inside(root, m)],
    }


def _tracer(root: str, lines: "dict[str, set[int]]") -> Any:
    """A trace function that notes the lines of functions of the tree as they run.

    What modules and classes hold outside of functions runs on import, whatever is wrong.
    """
    inside: dict[str, str] = {}

    def trace(frame: types.FrameType, event: str, argument: object) -> "Any":
        name = frame.f_code.co_filename
        if not frame.f_code.co_flags & _FUNCTION:
            return None
        if name not in inside:
            path = os.path.realpath(name)
            own = path.startswith(root + os.sep) and not name.startswith("<")
            inside[name] = path if own else ""
        if not inside[name]:
            return None
        lines.setdefault(inside[name], set()).add(frame.f_lineno)
        return trace

    return trace


def _edit(path: str, changes: "list[tuple[int, int, str]]", encoding: str) -> None:
    """Let the importer see a file with characters start..end replaced, for each change, the last first."""
    wanted = os.path.realpath(path)
    loader = importlib.machinery.SourceFileLoader
    plain = loader.get_data

    def get_data(self: importlib.machinery.SourceFileLoader, name: str) -> bytes:
        data = plain(self, name)
        if os.path.realpath(name) != wanted:
            return data
        text = data.decode(encoding)
        for start, end, new in changes:
            text = text[:start] + new + text[end:]
        return text.encode(encoding)

    loader.get_data = get_data  # type: ignore[assignment]


def _is_inside(root: str, module: object) -> bool:
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
    return bool(file) and os.path.realpath(file).startswith(root + os.sep)


if __name__ == "__main__":
    main()
