"""One answer on its way through the engine, as tokens and pieces of text.

Requests of any steering go to the one engine as they come, which runs those that overlap in one batch.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from services.errors import Unauthorized, Unavailable
from services.serving.runtime import Runtime
from vectors.engine.readings import Reading
from vectors.engine.requests import Generation, GenerationRequest, Ticket
from vectors.engine.row import Scored


@dataclass(frozen=True)
class Token:
    """One new token: the text that became certain with it (perhaps none), and its scores and readings where
    asked for.
    """

    piece: str
    id: int
    scored: Scored | None
    readings: tuple[Reading, ...] = ()


class Answer:
    """An answer as it is generated. Who stops reading calls `cancel`: the engine stops at the next token."""

    def __init__(self, runtime: Runtime, prepared: GenerationRequest, revoked: asyncio.Event) -> None:
        self._runtime, self._prepared, self._revoked = runtime, prepared, revoked
        self._before = time.perf_counter()
        self._pieces: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()
        self.ticket: Ticket
        self.generation: Generation
        """The whole of it, once its tokens have been read."""

    def asked(self, loop: asyncio.AbstractEventLoop) -> GenerationRequest:
        """The request for the engine; its tokens come to this loop."""

        def pass_on(piece: str) -> None:
            loop.call_soon_threadsafe(self._pieces.put_nowait, (piece, time.perf_counter()))

        return replace(self._prepared, on_token=pass_on)

    def taken(self, ticket: Ticket) -> None:
        """The engine has taken the request in."""
        self.ticket = ticket
        self._runtime.tickets.add(ticket)

    async def tokens(self) -> AsyncIterator[list[Token]]:
        """Yield the tokens as they come, all that are there at once: a busy loop sends fewer, larger pieces.

        Raises what the generation fails with, Unavailable if it is cut off, Unauthorized for a revoked key.
        """
        revoked = asyncio.ensure_future(self._revoked.wait())
        revoked.add_done_callback(lambda _: self.ticket.cancel())
        ended = asyncio.ensure_future(self.ticket)
        ended.add_done_callback(lambda _: self._pieces.put_nowait(None))
        number, over = 0, False
        try:
            while not over:
                come = [await self._pieces.get()]
                while not self._pieces.empty():
                    come.append(self._pieces.get_nowait())
                over = None in come
                pieces = [each for each in come if each is not None]
                self._time([at for _, at in pieces], first=number == 0)
                if pieces:
                    yield [self._token(number + i, piece) for i, (piece, _) in enumerate(pieces)]
                number += len(pieces)
            self.generation = await ended
        finally:
            ended.cancel()
            revoked.cancel()
        if self._revoked.is_set():
            raise Unauthorized("the key was revoked")
        if self.generation.finish_reason == "cancelled":
            raise Unavailable(
                "the server is stopping, or loads another model; send the request again", retry_after_s=5
            )

    def divergences(self, since: int) -> list[float]:
        """Those that are known by now, of the tokens from number `since` on; a steered answer's come some
        tokens later than its tokens, the last of them when it has ended.
        """
        return self.ticket.row.divergences[since:]

    def cancel(self) -> None:
        """Stop at the next token; nothing happens to an answer that is over."""
        self._runtime.tickets.discard(self.ticket)
        self.ticket.cancel()

    def _time(self, times: list[float], *, first: bool) -> None:
        """Count the times between tokens, taken where the engine handed them out."""
        metrics = self._runtime.metrics
        for at in times:
            timing = metrics.first_token_seconds if first else metrics.token_seconds
            timing.observe(at - self._before)
            self._before, first = at, False

    def _token(self, number: int, piece: str) -> Token:
        row = self.ticket.row
        scored = row.scored[number] if self._prepared.sampling.logprobs else None
        place, read = row.prompt_len - 1 + number, row.readings.found if row.readings else ()
        return Token(
            piece,
            row.known[place + 1],
            scored,
            tuple(found[place] for found in read),
        )
