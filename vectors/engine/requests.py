"""What is asked of an engine, and what comes back: requests, tickets for those on their way, generations."""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from torch import Tensor

from vectors.engine.readings import Reading, States, StatesWanted
from vectors.engine.row import FinishReason, Likeliest, Row
from vectors.engine.sampling import Sampling
from vectors.steering.intervention import Probe, Steering
from vectors.steering.positions import Turn


@dataclass(frozen=True)
class GenerationRequest:
    """What to generate. A forced prefix of the answer is simply the end of `prompt_ids`.

    `on_token` is called on the engine's thread, once for each new token, with the text that has become
    certain (perhaps none); it must be quick, and what it raises fails this request. `distribution` asks for
    the log-probabilities of every token as the first new one; `alternatives` for those of a few tokens in the
    place of a new one, by its number from 0. What would have gone on differently after many places of a text
    costs one pass over it.

    What is computed of a prompt is reused for prompts of the same `owner` that begin alike, and for those of
    others as far as both say by `public_tokens`: how many of the prompt's first tokens are nobody's secret.

    `turns` say where the prompt's turns are, for steering that goes by roles. The residual is read along
    `probes` where new tokens are drawn, and with `reads_prompt` at the prompt's tokens; `states` are kept.
    With `divergence` an unsteered twin runs beside the row: it is given the row's tokens.
    """

    prompt_ids: tuple[int, ...]
    steering: Steering = ()
    sampling: Sampling = field(default_factory=Sampling)
    on_token: Callable[[str], None] | None = None
    distribution: bool = False
    alternatives: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    owner: str = ""
    public_tokens: int = 0
    turns: tuple[Turn, ...] = ()
    probes: tuple[Probe, ...] = ()
    reads_prompt: bool = False
    states: StatesWanted | None = None
    divergence: bool = False

    @property
    def most_tokens(self) -> int:
        """Of prompt and answer."""
        return len(self.prompt_ids) + self.sampling.max_new_tokens


@dataclass(frozen=True, eq=False)
class Generation:
    """What was generated.

    `token_ids` are the new tokens, with the end-of-sequence token or those that completed a stop string;
    `text` ends before either. If asked for, `logprobs` are the tokens' natural log-probabilities, `top` the
    likeliest tokens in the place of each with theirs, `distribution` [vocab] those of every token as the
    first new one, in float32, and `alternatives` those of the tokens asked for, in their order.
    `reused_tokens` of the prompt came from a prefix that was there. `seconds` counts from the row's
    admission, not the time spent waiting. `steered_tokens` counts the tokens that each intervention changed,
    of those that do anything; `readings` are each probe's, and `states` what was asked for. `divergences` are
    KL(steered‖unsteered) in bits where each new token was drawn.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int
    seconds: float
    reused_tokens: int = 0
    logprobs: tuple[float, ...] = ()
    top: tuple[Likeliest, ...] = ()
    distribution: Tensor | None = None
    alternatives: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    steered_tokens: tuple[int, ...] = ()
    readings: tuple[tuple[Reading, ...], ...] = ()
    states: States | None = None
    divergences: tuple[float, ...] = ()


def scoring(
    prompt_ids: Sequence[int],
    continuation: Sequence[int],
    steering: Steering = (),
    alternatives: Mapping[int, tuple[int, ...]] | None = None,
) -> GenerationRequest:
    """A request for the log-probabilities of a given continuation's tokens, and of others in their places."""
    forced = Sampling(max_new_tokens=len(continuation), forced_ids=tuple(continuation), logprobs=True)
    return GenerationRequest(tuple(prompt_ids), steering, forced, alternatives=alternatives or {})


class Ticket:
    """A request on its way. Wait for it with `result()` in a thread, or `await` it in an event loop."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self._future: Future[Generation] = Future()

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the generation; raises TimeoutError after `timeout` seconds, or what it failed with."""
        return self._future.result(timeout)

    def __await__(self) -> Generator[object, None, Generation]:
        return self._wait().__await__()

    async def _wait(self) -> Generation:
        try:
            return await asyncio.shield(asyncio.wrap_future(self._future))
        except asyncio.CancelledError:
            self.cancel()  # nobody waits any more, so the engine must not go on
            raise

    def cancel(self) -> None:
        """Stop at the next token. The result is what there is by then, with the reason "cancelled"."""
        self.row.cancelled = True

    def settle(self) -> None:
        """Hand what came of the row to those who wait; the engine calls it once the row has ended."""
        if self.row.error is not None:
            self._future.set_exception(self.row.error)
        else:
            self._future.set_result(_generation(self.row))


def _generation(row: Row) -> Generation:
    assert row.finish_reason is not None
    return Generation(
        text="".join(row.pieces),
        token_ids=row.token_ids,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_len,
        new_tokens=row.new_tokens,
        seconds=row.seconds,
        reused_tokens=row.reused,
        logprobs=tuple(each.logprob for each in row.scored),
        top=tuple(each.top for each in row.scored),
        distribution=row.distribution,
        alternatives=row.alternatives,
        steered_tokens=row.steering.changed(row.known[: row.computed]),
        readings=row.readings.readings() if row.readings else (),
        states=row.readings.states() if row.readings else None,
        divergences=tuple(row.divergences),
    )
