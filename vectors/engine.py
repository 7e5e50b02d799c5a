"""The engine: one thread that owns a model and generates for everyone.

Requests that wait together run in one batch, each row with its own steering and sampling. Callers hold a
Ticket, which they wait for, await or cancel. A wrong request is refused by `submit`, in the caller's thread;
a fault of one row fails that row alone, a fault of a forward pass the batch it was in, and neither what
comes after.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from vectors.blocks import context_length, d_model, n_layers
from vectors.decoding import FinishReason, Row, decode, end_of_sequence_ids
from vectors.errors import EngineClosed, GenerationFault, InvalidRequest, VectorsError
from vectors.sampling import Sampling
from vectors.steering import Steering, SteeringTable
from vectors.textstream import TextStream, Tokenizer

_GATHER_S = 0.005  # requests submitted one after the other, by a loop or by asyncio.gather, share a batch
_MAX_PREFILL_TOKENS = 65_536  # bounds the memory of a prefill: rows × longest prompt


@dataclass(frozen=True)
class GenerationRequest:
    """What to generate. A forced prefix of the answer is simply the end of `prompt_ids`.

    `on_token` is called on the engine's thread, once for each new token, with the text that has become
    certain (perhaps none); it must be quick, and what it raises fails this request. `distribution` asks for
    the log-probabilities of every token as the first new one.
    """

    prompt_ids: tuple[int, ...]
    steering: Steering | None = None
    sampling: Sampling = field(default_factory=Sampling)
    on_token: Callable[[str], None] | None = None
    distribution: bool = False


@dataclass(frozen=True, eq=False)
class Generation:
    """What was generated.

    `token_ids` are the new tokens, with the end-of-sequence token or those that completed a stop string;
    `text` ends before either. If asked for, `logprobs` are the tokens' natural log-probabilities and
    `distribution` [vocab] those of every token as the first new one, in float32. `seconds` counts from the
    start of the batch, not the time spent waiting.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    seconds: float
    logprobs: tuple[float, ...] = ()
    distribution: Tensor | None = None


class Ticket:
    """A request on its way. Wait for it with `result()` in a thread, or `await` it in an event loop."""

    def __init__(self, row: Row, withdraw: Callable[["Ticket"], None]) -> None:
        self._row = row
        self._withdraw = withdraw
        self._future: Future[Generation] = Future()

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the generation; raises TimeoutError after `timeout` seconds, or what it failed with."""
        return self._future.result(timeout)

    def __await__(self) -> Generator[Any, None, Generation]:
        return self._wait().__await__()

    async def _wait(self) -> Generation:
        try:
            return await asyncio.shield(asyncio.wrap_future(self._future))
        except asyncio.CancelledError:
            self.cancel()  # nobody waits any more, so the engine must not go on
            raise

    def cancel(self) -> None:
        """Stop at the next token. The result is what there is by then, with the reason "cancelled"."""
        self._row.cancelled = True
        self._withdraw(self)


class Engine:
    """Owns the model from now on: nothing else may change it or run it steered.

    Use as a context manager, or call `close`.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, max_rows: int = 16) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._max_rows = max_rows
        self._eos_ids = end_of_sequence_ids(model, tokenizer)
        embeddings: Any = model.get_input_embeddings()  # type: ignore[operator]
        self._vocab_size = int(embeddings.weight.shape[0])
        self._table = SteeringTable(model, max_rows)
        self._changed = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="steered-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, request: GenerationRequest) -> Ticket:
        """Queue a request. Safe from any thread, and returns at once.

        Raises SteeringMismatch for a steering that does not fit the model, InvalidRequest for a prompt that
        does not, EngineClosed after `close`.
        """
        self._validate(request)
        stream = TextStream(self._tokenizer, request.sampling.stop)
        row = Row(request.prompt_ids, request.steering, request.sampling, stream, request.on_token)
        row.wants_distribution = request.distribution
        ticket = Ticket(row, self._withdraw)
        with self._changed:
            if self._closed:
                raise EngineClosed("the engine is closed; make a new one")
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

    def score(
        self, prompt_ids: Sequence[int], continuation: Sequence[int], steering: Steering | None = None
    ) -> Ticket:
        """Queue the scoring of a given continuation of a prompt: its generation's `logprobs` are the answer.

        Raises as `submit` does.
        """
        forced = Sampling(max_new_tokens=len(continuation), follow=tuple(continuation), logprobs=True)
        return self.submit(GenerationRequest(tuple(prompt_ids), steering, forced))

    def close(self) -> None:
        """Cancel what waits and what runs, wait for the thread to end, and leave the model bare."""
        with self._changed:
            self._closed = True
            unfinished = [*self._waiting, *self._running]
            self._changed.notify()
        for ticket in unfinished:
            ticket.cancel()
        self._thread.join()
        self._table.detach()

    def _validate(self, request: GenerationRequest) -> None:
        prompt_ids, limit = request.prompt_ids, context_length(self._model)
        if not prompt_ids or min(prompt_ids) < 0 or max(prompt_ids) >= self._vocab_size:
            raise InvalidRequest(
                f"prompt_ids must be at least one token id from 0 to {self._vocab_size - 1}; "
                "encode the prompt with this model's tokenizer"
            )
        named = [*request.sampling.follow, request.sampling.avoid or 0]
        if min(named) < 0 or max(named) >= self._vocab_size:
            raise InvalidRequest(f"follow and avoid must be token ids from 0 to {self._vocab_size - 1}")
        if len(prompt_ids) + request.sampling.max_new_tokens > limit:
            raise InvalidRequest(
                f"{len(prompt_ids)} prompt tokens and {request.sampling.max_new_tokens} new ones exceed the "
                f"model's context of {limit}; shorten the prompt or lower max_new_tokens"
            )
        if request.steering is not None:
            request.steering.validate(n_layers(self._model), d_model(self._model))

    def _withdraw(self, ticket: Ticket) -> None:
        """Settle a cancelled ticket that has not started; one that runs stops at its next token."""
        with self._changed:
            waiting = ticket in self._waiting
            if waiting:
                self._waiting.remove(ticket)
        if waiting:
            ticket._row.finish_reason = "cancelled"
            _settle(ticket, 0.0)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._generate(batch)

    def _generate(self, batch: list[Ticket]) -> None:
        started = time.perf_counter()
        tickets = {ticket._row: ticket for ticket in batch}

        def settle(row: Row) -> None:
            _settle(tickets[row], time.perf_counter() - started)

        try:
            decode(self._model, self._table, list(tickets), self._eos_ids, settle)
        except BaseException as error:  # whatever it is, nobody may be left waiting
            for ticket in batch:
                if not ticket._future.done():
                    ticket._future.set_exception(_fault(error))

    def _next_batch(self) -> list[Ticket] | None:
        """Wait for requests and take those that fit in one batch; None once the engine is closed."""
        with self._changed:
            self._running = []
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(lambda: len(self._waiting) >= self._max_rows or self._closed, _GATHER_S)
            if self._closed:
                return None
            longest = 0
            while self._waiting and len(self._running) < self._max_rows:
                longest = max(longest, len(self._waiting[0]._row.prompt_ids))
                if self._running and longest * (len(self._running) + 1) > _MAX_PREFILL_TOKENS:
                    break
                self._running.append(self._waiting.popleft())
            return self._running


def _settle(ticket: Ticket, seconds: float) -> None:
    row = ticket._row
    if row.error is not None:
        ticket._future.set_exception(row.error)
        return
    assert row.finish_reason is not None
    ticket._future.set_result(
        Generation(
            text="".join(row.pieces),
            token_ids=tuple(row.token_ids),
            finish_reason=row.finish_reason,
            prompt_tokens=len(row.prompt_ids),
            new_tokens=len(row.token_ids),
            seconds=seconds,
            logprobs=tuple(row.logprobs),
            distribution=row.distribution,
        )
    )


def _fault(error: BaseException) -> VectorsError:
    if isinstance(error, VectorsError):
        return error
    fault = GenerationFault(f"the forward pass failed: {type(error).__name__}: {error}")
    fault.__cause__ = error
    return fault
