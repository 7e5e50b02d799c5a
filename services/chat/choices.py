"""The answers to one request, generated at once: their tokens as they come, whichever's are there first."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio.to_thread

from orchestrator.policy.decisions import Code
from services.chat.generate import Answer, Token
from services.errors import Invalid, Unavailable
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest
from vectors.errors import EngineClosed, InvalidRequest


class Choices:
    """At least one answer. Who stops reading calls `cancel`: the engine stops at the next token."""

    def __init__(self, engine: Engine, answers: Sequence[Answer]) -> None:
        self._engine, self.answers = engine, answers

    def generation(self, number: int) -> Generation:
        """The whole of an answer, once its tokens have been read."""
        return self.answers[number].generation

    @property
    def generations(self) -> list[Generation]:
        """The whole of each, once all tokens have been read."""
        return [answer.generation for answer in self.answers]

    def submit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand them to the engine, which meets them together; tokens come to this loop. Blocks for a moment.

        Raises Unavailable where the model was unloaded since, Invalid for what does not fit the model.
        """
        try:
            tickets = self._engine.submit_all([answer.asked(loop) for answer in self.answers])
        except EngineClosed:
            raise Unavailable("the model was unloaded; send the request again", retry_after_s=5) from None
        except InvalidRequest as error:
            raise Invalid(str(error)) from None
        for answer, ticket in zip(self.answers, tickets, strict=True):
            answer.taken(ticket)

    def cancel(self) -> None:
        """Stop at the next token; nothing happens to answers that are over."""
        for answer in self.answers:
            answer.cancel()

    async def collected(self) -> dict[int, list[Token]]:
        """All tokens of each answer, by its number."""
        found: dict[int, list[Token]] = {}
        async for number, tokens in self.tokens():
            found.setdefault(number, []).extend(tokens or ())
        return found

    async def tokens(self) -> AsyncIterator[tuple[int, list[Token] | None]]:
        """Yield the number of an answer and its next tokens, None at its end; raises as `Answer.tokens`."""
        if len(self.answers) == 1:
            async for tokens in self.answers[0].tokens():
                yield 0, tokens
            yield 0, None
            return
        come: asyncio.Queue[tuple[int, list[Token] | None]] = asyncio.Queue()

        async def read(number: int, answer: Answer) -> None:
            try:
                async for tokens in answer.tokens():
                    come.put_nowait((number, tokens))
            finally:
                come.put_nowait((number, None))

        reading = [asyncio.create_task(read(number, each)) for number, each in enumerate(self.answers)]
        try:
            left = len(reading)
            while left:
                number, found = await come.get()
                if found is None:
                    await reading[number]  # raises what it failed with
                    left -= 1
                yield number, found
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)


@dataclass(frozen=True)
class Begun:
    """Answers that are under way, and what is held for them: a place, and an ear for the key's end."""

    choices: Choices
    _held: ExitStack

    def kept(self) -> Callable[[], None]:
        """Hold on after the block that began them; who takes this calls what it returns in the end."""
        return self._held.pop_all().close


@asynccontextmanager
async def begun(
    runtime: Runtime, served: Served, owner: str, requests: Sequence[GenerationRequest]
) -> AsyncIterator[Begun]:
    """Begin answers for an owner, and let go of them at the end. Raises Busy, Unavailable, Invalid."""
    tokens, most = sum(each.most_tokens for each in requests), runtime.settings.chat_tokens
    if len(requests) > 1 and tokens > most:
        raise Invalid(
            f"{len(requests)} answers have up to {tokens} tokens, prompts included, and {most} are taken at "
            "once; ask for fewer, or lower max_tokens"
        )
    with ExitStack() as held:
        held.enter_context(runtime.gate.enter(tokens))
        revoked = held.enter_context(runtime.revocations.heeded(owner))
        choices = Choices(served.engine, [Answer(runtime, each, revoked) for each in requests])
        await anyio.to_thread.run_sync(choices.submit, asyncio.get_running_loop())
        held.callback(choices.cancel)
        for each in requests:
            runtime.metrics.steered(applied=bool(each.steering), code=Code.REQUEST)
        yield Begun(choices, held)
