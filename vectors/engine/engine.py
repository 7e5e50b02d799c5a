"""The engine: one thread at a time owns a model and generates for everyone.

Requests join and leave the running batch at token boundaries, each with its own steering and sampling.
Callers hold a Ticket, which they wait for, await or cancel. A wrong request is refused by `submit`, in the
caller's thread; a fault of one row fails that row alone.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import torch
from torch import nn

from vectors.engine.forward import forward_of
from vectors.engine.forward_protocol import Forward
from vectors.engine.intake import Intake, end_of_sequence_ids
from vectors.engine.kvcache import KeyValueCache
from vectors.engine.memory import trim
from vectors.engine.prefixes import PrefixStore
from vectors.engine.requests import GenerationRequest, Ticket, scoring
from vectors.engine.row import Row
from vectors.engine.scheduler import Counts, Scheduler
from vectors.engine.sharing import Sharing
from vectors.errors import EngineClosed, GenerationFault
from vectors.models.blocks import embedding, n_layers
from vectors.models.tokenizer import Tokenizer
from vectors.steering.intervention import Steering
from vectors.threads import in_own_thread

_ROWS_BETWEEN_TRIMS = 128


@dataclass(frozen=True)
class EngineStats:
    """A moment of an engine: what runs, what the cache holds, of `token_bytes` each, and what has been done
    so far.
    """

    running: int
    waiting: int
    cache_tokens: int
    cache_tokens_used: int
    token_bytes: int
    prefixes: int
    done: Counts


class Engine:
    """Owns the model from now on: nothing else may change it or run it steered.

    The model's linear layers are packed in place. At most `max_rows` rows run at once, in a key-value cache
    of at least `cache_tokens` tokens. On Linux its thread is nicer than the others of the process by
    `niceness` (0 to 19), so that a busy event loop comes first. `endless`: no token ends a generation.
    `record` is a file of this very model that keeps what a rehearsal found (`vectors.engine.forward`). With
    `eight_bits` it computes with bytes (`vectors.engine.int8`), and leaves the model as it is; `packed` is a
    folder of this very model that keeps them. Without `drafts` every token has a pass of its own
    (`vectors.engine.drafts`).
    Use as a context manager, or call `close`.
    Raises UnsupportedModel for a model that nothing here runs as its own forward does.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        max_rows: int = 16,
        cache_tokens: int = 65_536,
        niceness: int = 0,
        *,
        endless: bool = False,
        record: Path | None = None,
        eight_bits: bool = False,
        packed: Path | None = None,
        drafts: bool = True,
    ) -> None:
        self._niceness = niceness
        model.eval()
        self._forward = (
            in_own_thread(_eight_bits, model, tokenizer, packed)
            if eight_bits
            else in_own_thread(forward_of, model, record)
        )
        like = embedding(model).weight
        self._cache = KeyValueCache(
            self._forward.shapes, cache_tokens, self._forward.dtype, like.device, self._forward.group
        )
        self._prefixes = PrefixStore(self._cache, n_layers(model), resumable=self._forward.resumable)
        self._sharing = Sharing(
            self._prefixes, n_layers(model), self._forward.resumable, self._forward.reusable
        )
        self._scheduler = Scheduler(
            self._forward,
            self._cache,
            self._sharing,
            frozenset() if endless else end_of_sequence_ids(model, tokenizer),
            max_rows,
            like.shape[0],
            like.device,
            drafts and self._forward.reusable and (eight_bits or self._forward.dtype == torch.float32),
        )
        self._intake = Intake(model, tokenizer, self._cache.tokens, max_rows)
        self._lock = threading.Lock()
        self._arrived: list[Ticket] = []
        self._waiting: list[Row] = []
        self._tickets: dict[Row, Ticket] = {}
        self._untrimmed = 0
        self._closed = self._forgetting = False
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        trim()  # of what loading and packing have left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, request: GenerationRequest) -> Ticket:
        """Queue a request. Safe from any thread, and returns at once.

        Raises SteeringMismatch for a steering that does not fit the model, InvalidRequest for a prompt or a
        constraint that does not, EngineClosed after `close` and in a forked process.
        """
        return self.submit_all([request])[0]

    def submit_all(self, requests: Sequence[GenerationRequest]) -> list[Ticket]:
        """Queue requests so that the engine meets them together. Raises as `submit` does, queueing none."""
        if os.getpid() != self._process:
            raise EngineClosed("the engine belongs to another process; make one in this process")
        tickets = [Ticket(self._intake.row(request)) for request in requests]
        with self._lock:
            if self._closed:
                raise EngineClosed("the engine is closed; make a new one")
            self._arrived.extend(tickets)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="steered-engine", daemon=True)
                self._thread.start()
        return tickets

    def forget(self) -> None:
        """Have requests to an idle engine computed as by a new one, to the last bit.

        What earlier ones have left saves work, and changes how rows are put together.
        """
        with self._lock:
            self._forgetting = True

    def score(
        self, prompt_ids: Sequence[int], continuation: Sequence[int], steering: Steering = ()
    ) -> Ticket:
        """Queue the scoring of a given continuation of a prompt: its generation's `logprobs` are the answer.

        Raises as `submit` does.
        """
        return self.submit(scoring(prompt_ids, continuation, steering))

    async def stream(self, request: GenerationRequest) -> AsyncIterator[str]:
        """Yield the text of a generation as it becomes certain; whoever leaves the loop cancels it.

        Raises as `submit` does, and what the generation fails with.
        """
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def pass_on(piece: str) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        ticket = self.submit(replace(request, on_token=pass_on))
        ended = asyncio.ensure_future(ticket)
        ended.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                if piece:
                    yield piece
            await ended
        finally:
            ended.cancel()
            ticket.cancel()

    def stats(self) -> EngineStats:
        """What the engine is doing and has done."""
        with self._lock:
            waiting = len(self._arrived) + len(self._waiting)
        return EngineStats(
            running=len(self._scheduler.rows),
            waiting=waiting,
            cache_tokens=self._cache.tokens,
            cache_tokens_used=self._cache.used,
            token_bytes=self._cache.token_bytes,
            prefixes=len(self._prefixes),
            done=replace(self._scheduler.counts),
        )

    @property
    def closed(self) -> bool:
        """Whether it takes no more requests: after `close`, or after a fault that was not one row's."""
        return self._closed

    def close(self) -> None:
        """Cancel what waits and what runs, wait for the thread to end, and leave the model bare."""
        if os.getpid() != self._process:
            return  # the thread stayed with the process that made it
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join()
        self._forward.detach()

    @torch.inference_mode()
    def _work(self) -> None:
        if self._niceness and sys.platform == "linux":  # elsewhere it is of the whole process
            # Threads of the products are started by this one and inherit it.
            os.nice(self._niceness)
        error: Exception | None = None
        try:
            while (state := self._take_arrived()) == "busy":
                cancelled = [row for row in self._waiting if row.cancelled]
                for row in cancelled:
                    row.end("cancelled")
                    self._waiting.remove(row)
                self._scheduler.admit(self._waiting)
                self._settle(cancelled + self._scheduler.step())
        except BaseException as fault:  # whatever it is, nobody may be left waiting
            error = GenerationFault(f"the engine failed: {type(fault).__name__}: {fault}")
            error.__cause__ = fault
            with self._lock:
                self._closed = True
            state = self._take_arrived()
        if state == "idle":
            return  # from here on everything may be another thread's
        self._waiting = []
        try:
            self._scheduler.abandon(error)
        finally:  # whatever broke may break here again
            rows = list(self._tickets)
            for row in rows:
                if not row.finished:
                    row.end(None if error else "cancelled", error)
            self._settle(rows)

    def _take_arrived(self) -> Literal["busy", "idle", "closed"]:
        """Take in what has arrived, and say whether to go on.

        An idle thread ends, and the next request starts another: see `vectors.threads` for why it must not
        wait.
        """
        with self._lock:
            if self._forgetting and not (self._waiting or self._scheduler.rows):
                self._sharing.forget()
                self._forgetting = False
            for ticket in self._arrived:
                self._waiting.append(ticket.row)
                self._sharing.expect(ticket.row)
                self._tickets[ticket.row] = ticket
            self._arrived.clear()
            if self._closed:
                return "closed"
            if self._waiting or self._scheduler.rows:
                return "busy"
            self._thread = None
            return "idle"

    def _settle(self, rows: Sequence[Row]) -> None:
        self._untrimmed += len(rows)
        if self._untrimmed >= _ROWS_BETWEEN_TRIMS:
            self._untrimmed = 0
            trim()
        for row in rows:
            self._tickets.pop(row).settle()


def _eight_bits(model: nn.Module, tokenizer: Tokenizer, kept: Path | None) -> Forward:
    # Importing numba takes half a second.
    from vectors.engine.int8.int8_forward import Int8Forward, check
    from vectors.engine.int8.packed import packed

    check(model)
    return Int8Forward(model, packed(model, tokenizer, kept))
