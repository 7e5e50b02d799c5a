"""Threads that do a job together: the one that asks, and helpers that look for the next job close by.

Why it exists: a block takes a tenth of a millisecond, and its ten steps have to be shared among threads.
Pools of Python's or of OpenMP's take as long to hand one step over. So helpers look for work in a loop that
needs no lock of Python's; they fall asleep when none has come for a while, and who finds them asleep works
alone that once.
"""

import threading

import numpy as np

from vectors.engine.int8.jobs import ASLEEP, IDLE, MOST_HELPERS, SIZE, STATES, STOP, help_out, lead
from vectors.engine.int8.rows import Floats, Numbers

_PATIENCE = 2000


class Crew:
    """So many threads in all. One thread at a time may call `do`; `close` ends the helpers."""

    def __init__(self, threads: int, constants: Floats) -> None:
        self.job: Numbers = np.zeros(SIZE, np.int64)
        self.threads = min(threads, MOST_HELPERS + 1)
        self._constants = constants
        self._woken = [threading.Event() for _ in range(self.threads - 1)]
        self.helpers = [
            threading.Thread(target=self._help, args=(number,), name="int8-helper", daemon=True)
            for number in range(self.threads - 1)
        ]
        for helper in self.helpers:
            helper.start()

    @property
    def asleep(self) -> int:
        """How many helpers wait to be woken."""
        return int((self.job[STATES : STATES + len(self.helpers)] == ASLEEP).sum())

    def do(self) -> None:
        """Do what stands in `job`, with the helpers that are awake, and wake the others for the next."""
        if lead(self.job, self._constants, len(self.helpers)):
            for woken in self._woken:
                woken.set()

    def close(self) -> None:
        """End the helpers."""
        self.job[STOP] = 1
        for woken, helper in zip(self._woken, self.helpers, strict=True):
            woken.set()
            helper.join()

    def _help(self, number: int) -> None:
        while not self.job[STOP]:
            self._woken[number].clear()
            self.job[STATES + number] = IDLE
            help_out(self.job, number, self._constants, _PATIENCE)
            if self.job[STATES + number] == ASLEEP and not self.job[STOP]:
                self._woken[number].wait()
