"""What a server is given and what it is seen to do: a job of requests, and when each new token came.

Every server, ours and the peers, answers a Job with a Trace, so that a rate is computed in one place and in
the same way for all of them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.errors import GenerationFault


@dataclass(frozen=True)
class Job:
    """Requests and when they arrive.

    `arrivals_s` are seconds after the start, all at once without it; with `in_turn` each request waits for
    the one before it.
    """

    requests: tuple[GenerationRequest, ...]
    arrivals_s: tuple[float, ...] = ()
    in_turn: bool = False

    def first(self, count: int) -> "Job":
        """The first requests alone, which arrive at once."""
        return replace(self, requests=self.requests[:count], arrivals_s=())

    def unsteered(self) -> "Job":
        """The same requests without steering."""
        return replace(self, requests=tuple(replace(each, steering=()) for each in self.requests))


@dataclass(frozen=True)
class Trace:
    """What happened to a job: for each request its prompt's length, new tokens and when each came, in s."""

    prompt_tokens: tuple[int, ...]
    token_ids: tuple[tuple[int, ...], ...]
    times_s: tuple[tuple[float, ...], ...]
    ended_s: float

    def whole_rate(self) -> float:
        """New tokens per second over the whole job, prefill included."""
        return sum(map(len, self.token_ids)) / self.ended_s

    def decode_rate(self) -> float:
        """New tokens per second from the moment when every request has its first token."""
        begin = max(times[0] for times in self.times_s)
        later = [moment for times in self.times_s for moment in times if moment > begin]
        return len(later) / (max(later) - begin)

    def prefill_rate(self) -> float:
        """Prompt tokens per second until every request has its first new token."""
        return sum(self.prompt_tokens) / max(times[0] for times in self.times_s)


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def sleep_until(self, moment_s: float) -> None:
        """Wait until `moment_s` after the start, not at all if that has passed."""
        time.sleep(max(0.0, moment_s - self.now()))


def serve(engine: Engine, job: Job) -> Trace:
    """Let the engine serve a job."""
    times: list[list[float]] = [[] for _ in job.requests]
    clock = Clock()
    requests = [
        replace(request, on_token=partial(_note, moments, clock))
        for request, moments in zip(job.requests, times, strict=True)
    ]
    if job.in_turn:
        generations = [engine.submit(request).result() for request in requests]
    elif job.arrivals_s:
        tickets = []
        for arrival, request in zip(job.arrivals_s, requests, strict=True):
            clock.sleep_until(arrival)
            tickets.append(engine.submit(request))
        generations = [ticket.result() for ticket in tickets]
    else:
        generations = [ticket.result() for ticket in engine.submit_all(requests)]
    return trace_of(job, [each.token_ids for each in generations], times, clock.now())


def _note(moments: list[float], clock: Clock, _text: str) -> None:
    moments.append(clock.now())


def trace_of(
    job: Job, token_ids: Sequence[Sequence[int]], times_s: Sequence[Sequence[float]], ended_s: float
) -> Trace:
    """Put together what was seen of a job.

    Raises GenerationFault where a request has not all the tokens it asked for: the rates of two servers
    that did not do the same work must not be compared.
    """
    for request, ids in zip(job.requests, token_ids, strict=True):
        if len(ids) != request.sampling.max_new_tokens:
            raise GenerationFault(
                f"a request gave {len(ids)} of {request.sampling.max_new_tokens} tokens; "
                "its rate cannot be compared"
            )
    return Trace(
        tuple(len(request.prompt_ids) for request in job.requests),
        tuple(map(tuple, token_ids)),
        tuple(map(tuple, times_s)),
        ended_s,
    )
