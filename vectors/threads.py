"""Where parallel work runs and how its threads wait, so that neither slows the engine down.

GNU OpenMP, which torch computes with on Linux, keeps a team of workers for every thread that ever ran a
parallel operation. Once it has more of them than there are cores, workers no longer wait busily for the next
operation but sleep; waking them costs as much as an operation of a small model takes, and decoding one row
takes up to twice as long. A team ends with its thread, so work beside the engine's runs on threads that end.

Beside other programs it is the other way round: who waits busily keeps the core from the very thread that it
waits for, and everything takes ten times as long. There a team is kept that never works, whose only use is
that all others sleep while they wait. No result depends on it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from vectors.processors import affinity, processors, used

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LOOK_S = 0.25
_CALM_LOOKS = 4
"""So many looks in a row must find the processors free before threads wait busily again."""
_MARGIN = 0.3
"""Processors that others must want beyond those left to them: less is a tick of the clock, or a shell."""
_MOST_TEAMS = 16
_NAME = "load"
_starting = threading.Lock()


def in_own_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function on a thread of its own that ends with it; returns and raises what the function does."""
    with ThreadPoolExecutor(1, thread_name_prefix="own") as thread:
        return thread.submit(function, *args, **kwargs).result()


def compute_with(threads: int | None) -> None:
    """Have torch compute with so many threads, or with as many as the machine gives this process.

    From now on the threads wait for one another as the machine's load asks for, where its system tells.
    """
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), processors()))
    with _starting:
        if not any(each.name == _NAME for each in threading.enumerate()):
            threading.Thread(target=_watch_load, name=_NAME, daemon=True).start()


def compute_alone() -> None:
    """Have torch compute with one thread where this one calls it, and elsewhere with as many as before.

    For work that has threads of its own: torch's would wait busily beside them for what does not come.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for this thread, and for those that begin from now on
    in_own_thread(torch.set_num_threads, threads)


class Sleepers:
    """Teams whose only use is that, beside them, the threads of all others sleep while they wait."""

    def __init__(self) -> None:
        self._end: threading.Event | None = None

    @property
    def kept(self) -> bool:
        """Whether they are there."""
        return self._end is not None

    def keep(self, threads: int) -> None:
        """Start as many teams of `threads` as it takes to have more threads than processors."""
        if self._end is None and threads > 1:
            self._end = threading.Event()
            for _ in range(min(_MOST_TEAMS, len(affinity()) // (threads - 1))):
                threading.Thread(target=_sleep, args=(self._end,), name="sleeper", daemon=True).start()

    def release(self) -> None:
        """Let the teams end."""
        if self._end is not None:
            self._end.set()
            self._end = None


def _sleep(end: threading.Event) -> None:
    import torch

    torch.empty(1 << 20).fill_(0)  # large enough to be shared out: now there is a team
    end.wait()


def _watch_load() -> None:
    """Others come and go; until they are known to be away, threads sleep while they wait."""
    import torch

    sleepers, calm = Sleepers(), 0
    sleepers.keep(torch.get_num_threads())
    before, since = used(), time.monotonic()
    while before is not None:
        time.sleep(_LOOK_S)
        now, at = used(), time.monotonic()
        if now is None:  # it could not be read: no descriptor was left, say
            continue
        threads = torch.get_num_threads()
        wanted = now.others_since(before, at - since) > len(affinity()) - threads + _MARGIN
        before, since, calm = now, at, 0 if wanted else calm + 1
        if wanted:
            sleepers.keep(threads)
        elif calm >= _CALM_LOOKS:
            sleepers.release()
