"""Ctrl-C at any moment of a command: one line, exit code 130, within two seconds.

What is interrupted unwinds first, so that files, processes and the terminal are left in order. What has not
ended by then, a thread that indexes or loads, a library that passes over interruptions, is left so: runs
are made for being killed at any moment, so nothing of theirs is lost or torn.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
_GRACE_S = 0.8
_AGAIN_S = 0.05
_STOP_DRAWING_S = 0.3
_IMPORTING = "<frozen importlib"


class Interruption:
    """What is said when the command is interrupted, and whether it was."""

    def __init__(self) -> None:
        self.line: str | Callable[[], str] = "interrupted"
        self.patience_s = 0.0
        self.temporary: Path | None = None
        self.drawing: Callable[[], None] | None = None
        self.heard = self.due = False
        self._told = False
        self._telling = threading.Lock()

    def tell(self) -> None:
        """Print the line, once, on a line of its own, after what is drawn."""
        if (stop := self.drawing) is not None:
            # Aside: whoever draws may hold the lock that this needs.
            stopping = threading.Thread(target=stop, daemon=True)
            stopping.start()
            stopping.join(_STOP_DRAWING_S)
        with self._telling:
            if not self._told:
                self._told = True
                show_cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""
                line = self.line if isinstance(self.line, str) else self.line()
                print(f"{show_cursor}{line}", file=sys.stderr, flush=True)


_now = Interruption()


def says(line: str | Callable[[], str], *, patience_s: float = 0.0) -> None:
    """Have an interruption from here on say what is true here, or what is true when it is said.

    With `patience_s` the line says what is awaited, and so long is waited for it.
    """
    _now.line, _now.patience_s = line, patience_s


def drawing(stop: Callable[[], None] | None) -> None:
    """Have an interruption stop what is drawn on the terminal before it says anything; None: nothing is."""
    _now.drawing = stop


def going_on(*, fresh: bool) -> str:
    """What is true of a run that keeps what it has done; a `fresh` one began by discarding it."""
    without = ", without --fresh," if fresh else ""
    return f"interrupted: run the same command again{without} to go on where it was"


def tell() -> None:
    """Say that the command was interrupted."""
    _now.tell()


class Interrupted(Exception):
    """A KeyboardInterrupt on its way through click, which would print an empty line for one."""


@contextmanager
def heeded() -> Iterator[None]:
    """Heed Ctrl-C in here, unless it is ignored, as a shell's background jobs do."""
    global _now  # noqa: PLW0603 - a process has one Ctrl-C
    _now = Interruption()
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or before in (signal.SIG_IGN, None):
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    told_before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    signal.signal(signal.SIGINT, _interrupt)
    threading.Thread(target=_watch, args=(read, _now), name="interruption", daemon=True).start()
    try:
        with _temporary_files(_now):
            yield
    finally:
        if not _now.heard:
            signal.signal(signal.SIGINT, before)
            signal.set_wakeup_fd(told_before)
            sys.unraisablehook = hook
            os.close(write)  # ends the watch


def leave(code: int) -> NoReturn:
    """End now, whatever other threads are doing.

    Nobody may see a child die and draw conclusions from it, so they get no turn any more.
    """
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    sys.setswitchinterval(60)
    children = _children()
    remove = shutil.which("rm")
    if _now.temporary is not None and remove:
        os.posix_spawn(remove, [remove, "-rf", "--", str(_now.temporary)], os.environ)
    for child in children:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)
    os._exit(code)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or cancel what an event loop runs: in its middle an exception is lost."""
    if _now.heard and not _now.due:  # once more
        _now.tell()
        leave(INTERRUPTED)
    _now.heard, _now.due = True, False
    logging.disable()  # of what fails because of it nobody wants to read
    threading.excepthook = lambda _: None  # nor of what other threads were doing
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            loop.call_soon_threadsafe(task.cancel)
        return
    while frame is not None:
        # An import that is interrupted leaves half a module behind, and torch passes over it.
        if frame.f_code.co_filename.startswith(_IMPORTING):
            _again()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _again() -> None:
    _now.due = True
    # To that thread, so that it wakes up whatever it waits for by then.
    again = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    again.daemon = True
    again.start()


def _unraisable(told: "sys.UnraisableHookArgs") -> None:
    """An interruption that met a finalizer, which cannot raise it, is raised again outside."""
    if told.exc_type is KeyboardInterrupt:
        _again()
    else:
        sys.__unraisablehook__(told)


def _watch(read: int, now: Interruption) -> None:
    """Leave what has not ended in time, whatever the main thread is doing."""
    with open(read, "rb", buffering=0) as told:
        while number := told.read(1):
            if number[0] == signal.SIGINT and signal.getsignal(signal.SIGINT) is _interrupt:
                break
        else:
            return
        ended = threading.Event()  # nobody sets it: the process ends before, or is left
        ended.wait(_GRACE_S)
        now.tell()
        ended.wait(now.patience_s)
        leave(INTERRUPTED)


def _children() -> list[int]:
    """The processes that this one has started; none where the system does not say."""
    with suppress(OSError):
        return [
            int(child)
            for thread in Path("/proc/self/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    return []


@contextmanager
def _temporary_files(now: Interruption) -> Iterator[None]:
    """All temporary files of the command in one folder, which can be removed when it is left in a hurry."""
    before = tempfile.tempdir
    with suppress(OSError):  # who needs temporary files says what is wrong
        now.temporary = Path(tempfile.mkdtemp(prefix="orchestrate-"))
        tempfile.tempdir = str(now.temporary)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if now.temporary is not None:
            shutil.rmtree(now.temporary, ignore_errors=True)
