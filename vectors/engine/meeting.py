"""Rows that each go through the model's own forward pass, and meet where one product serves them all.

A row's forward runs on a thread of its own, and of all those and the engine's one runs at a time: until it
calls a module that computes each token by itself. There it waits. When all wait, the engine's thread computes
the tokens of those that wait for the same module, and lets each go on. What a row does in between (masks,
positions, its own cache) is the model's own code, which knows of one row alone.
"""

import functools
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vectors.engine.tokenwise import several, tokens_in

_MOST_ROWS = 1 << 16
"""Threads are made only as rows ask for them."""

_Own = Callable[..., object]


class _Asked(NamedTuple):
    """A call that a row waits for; those of equal `kind` are one product, lower ones come first."""

    number: int
    own: _Own
    args: Sequence[Tensor]

    @property
    def kind(self) -> Hashable:
        return self.number, tuple((each.ndim, each.shape[-1], each.dtype) for each in self.args)


class _Row:
    """One row's forward pass: `work` and `ask` on its own thread, `advance` on the engine's."""

    def __init__(self, job: Callable[[], Tensor]) -> None:
        self._job = job
        self._go, self._paused = threading.Lock(), threading.Lock()  # each is released by the other side
        self._go.acquire()
        self._paused.acquire()
        self._answer: object = None
        self.asked: _Asked | None = None
        self.result: Tensor | BaseException | None = None

    def work(self) -> None:
        self._go.acquire()
        _current.row = self
        try:
            with torch.inference_mode():
                self.result = self._job()
        except BaseException as error:  # the engine's thread raises it
            self.result = error
        finally:
            _current.row = None
            self._paused.release()

    def ask(self, asked: _Asked) -> object:
        """Wait for what a module makes of a call."""
        self.asked = asked
        self._paused.release()
        self._go.acquire()
        self.asked = None
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def advance(self, answer: object = None) -> None:
        """Let the row go on, with the answer that it waits for, until it asks again or ends."""
        self._answer = answer
        self._go.release()
        self._paused.acquire()


class _Current(threading.local):
    """The row whose forward pass runs on this thread."""

    row: _Row | None = None


_current = _Current()


class Meeting:
    """Runs rows that meet at `modules`; elsewhere, and after `close`, these are as they were."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._before = {module: module.__dict__.get("forward") for module in modules}
        for number, module in enumerate(modules):
            module.forward = functools.partial(_met, number, module.forward)
        # What a row does beside products is too little for more than one processor.
        self._threads = ThreadPoolExecutor(
            _MOST_ROWS, "row", initializer=torch.set_num_threads, initargs=(1,)
        )

    def close(self) -> None:
        """End the rows' threads and leave the modules bare; closing twice is allowed."""
        self._threads.shutdown()
        for module, before in self._before.items():
            module.__dict__.pop("forward", None)
            if before is not None:
                module.forward = before

    def run(self, jobs: Sequence[Callable[[], Tensor]]) -> list[Tensor]:
        """What each row's job returns; raises what one of them raises, once all have ended."""
        rows = [_Row(job) for job in jobs]
        threads = torch.get_num_threads()
        for row in rows:
            self._threads.submit(row.work)
            row.advance()
        # A new thread of a row has set it to one, for itself and for later ones.
        torch.set_num_threads(threads)
        try:
            while waiting := [(row.asked, row) for row in rows if row.asked is not None]:
                kind = min(waiting, key=lambda each: each[0].number)[0].kind
                alike = [(asked, row) for asked, row in waiting if asked.kind == kind]
                answers = _answers([asked for asked, _ in alike])
                for (_, row), answer in zip(alike, answers, strict=True):
                    row.advance(answer)
        finally:
            for row in rows:
                while row.asked is not None:  # nothing is left that would answer it
                    row.advance(InterruptedError("the pass has ended"))
        results = []
        for row in rows:
            if isinstance(row.result, BaseException):
                raise row.result
            assert row.result is not None
            results.append(row.result)
        return results


def _met(number: int, own: _Own, *args: object, **kwargs: object) -> object:
    """What stands in for a module's forward."""
    row = _current.row
    if row is None or kwargs or not tokens_in(args):
        return own(*args, **kwargs)
    return row.ask(_Asked(number, own, cast("Sequence[Tensor]", args)))


def _answers(alike: Sequence[_Asked]) -> Sequence[object]:
    """What the module makes of each call; the error, for all, where it raises one."""
    own = alike[0].own
    counts = [asked.args[0].shape[-2] for asked in alike]
    try:
        if len(alike) == 1:
            return [own(*alike[0].args)]
        joint = own(*(torch.cat(each, dim=-2) for each in zip(*(asked.args for asked in alike), strict=True)))
    except Exception as error:  # each row raises it
        return [error] * len(alike)
    parts = [torch.split(cast("Tensor", each), counts, dim=-2) for each in several(joint)]
    return parts[0] if isinstance(joint, Tensor) else list(zip(*parts, strict=True))
