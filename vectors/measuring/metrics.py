"""What a calibration measures: a figure for each observation, higher for better, steered or not.

An observation is a prompt as a node sees it (its situation) with what is measured in front of it. Texts that
are given are scored, which is cheap and says something at every token; answers are sampled, each observation
with a seed of its own, so that steered and unsteered answers are paired by it. Nothing here knows where a
prompt comes from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import CertificateError
from vectors.measuring.measures import degenerate, distinct_2, keyword_hits, kl_bits
from vectors.steering import Steering


@dataclass(frozen=True)
class Observation:
    """One prompt and what is measured after it; which fields matter depends on the metric.

    situation: number of the prompt; observations of one situation are not independent.
    text, neutral: token ids to score after the prompt, the neutral ones perhaps none.
    sampling: how an answer is generated. valid: whether an answer's text is of use. keywords: words that
    count.
    """

    situation: int
    prompt_ids: tuple[int, ...]
    text: tuple[int, ...] = ()
    neutral: tuple[int, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    valid: Callable[[str], bool] | None = None
    keywords: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Forward tokens of measuring this once, if nothing were shared between requests."""
        if self.text:
            scored = [len(ids) for ids in (self.text, self.neutral) if ids]
            return sum(scored) + len(scored) * len(self.prompt_ids)
        return len(self.prompt_ids) + self.sampling.max_new_tokens


Metric = Callable[[Engine, Sequence[Observation], Steering | None], list[float]]
"""Measures each observation under a steering, or none."""


def likelihood(engine: Engine, observations: Sequence[Observation], steering: Steering | None) -> list[float]:
    """Log-likelihood per token, in nats, of the text minus that of the neutral text, where there is one.

    Teacher-forced: every token is scored after the prompt and the true tokens before it. A push that makes
    all text less likely, or all text more likely, cancels out.
    """
    wanted = [
        [engine.score(each.prompt_ids, ids, steering) for ids in (each.text, each.neutral) if ids]
        for each in observations
    ]
    values = []
    for tickets in wanted:
        text, *neutral = [fmean(ticket.result().logprobs) for ticket in tickets]
        values.append(text - sum(neutral))
    return values


def validity(engine: Engine, observations: Sequence[Observation], steering: Steering | None) -> list[float]:
    """1 where the answer is of use by the observation's own measure, else 0."""
    values = []
    for each, answer in zip(observations, _answers(engine, observations, steering), strict=True):
        if each.valid is None:
            raise CertificateError("validity needs observations that say which answers are valid")
        values.append(float(each.valid(answer.text)))
    return values


def keywords(engine: Engine, observations: Sequence[Observation], steering: Steering | None) -> list[float]:
    """How many of the observation's keywords the answer holds, each counted once."""
    answers = _answers(engine, observations, steering)
    return [float(keyword_hits(a.text, each.keywords)) for each, a in zip(observations, answers, strict=True)]


def degeneration(
    engine: Engine, observations: Sequence[Observation], steering: Steering | None
) -> list[float]:
    """Share of distinct token pairs in the answer, 0 for an empty one: the lower, the more it degenerates."""
    answers = _answers(engine, observations, steering)
    return [distinct_2(a.token_ids) if a.text.strip() else 0.0 for a in answers]


METRICS: dict[str, Metric] = {
    "likelihood": likelihood,
    "gold": likelihood,
    "validity": validity,
    "keywords": keywords,
    "degeneration": degeneration,
}
"""`gold` is the likelihood of a gold patch's added lines, which have no neutral text beside them."""


@dataclass(frozen=True)
class Degeneration:
    """What a steering does to the greedy answers of n situations.

    Shares of answers that repeat themselves or are empty, with and without steering; share that changed; mean
    KL divergence D(steered ‖ unsteered) in bits of the first token's distribution.
    """

    n: int
    steered: float
    unsteered: float
    changed: float
    kl_bits: float

    @property
    def harmful(self) -> bool:
        """Whether more than one answer in ten degenerates because of the steering."""
        return self.steered > self.unsteered + 0.1


class Guard:
    """Watches the answers of a few situations; the unsteered ones are generated once."""

    def __init__(self, engine: Engine, observations: Sequence[Observation]) -> None:
        self._engine, self._observations = engine, observations
        self._bare: list[Generation] = []
        self.tokens = 0

    def watch(self, steering: Steering) -> Degeneration:
        """Compare steered answers with unsteered ones."""
        if not self._bare:
            self._bare = self._run(None)
        pairs = list(zip(self._run(steering), self._bare, strict=True))
        divergences = [
            kl_bits(steered.distribution, bare.distribution)
            for steered, bare in pairs
            if steered.distribution is not None and bare.distribution is not None
        ]
        return Degeneration(
            n=len(pairs),
            steered=fmean(degenerate(steered) for steered, _ in pairs),
            unsteered=fmean(degenerate(bare) for _, bare in pairs),
            changed=fmean(steered.token_ids != bare.token_ids for steered, bare in pairs),
            kl_bits=fmean(divergences),
        )

    def _run(self, steering: Steering | None) -> list[Generation]:
        self.tokens += sum(each.tokens for each in self._observations)
        return _answers(self._engine, self._observations, steering, distribution=True)


def _answers(
    engine: Engine,
    observations: Sequence[Observation],
    steering: Steering | None,
    *,
    distribution: bool = False,
) -> list[Generation]:
    tickets = [
        engine.submit(GenerationRequest(each.prompt_ids, steering, each.sampling, distribution=distribution))
        for each in observations
    ]
    return [ticket.result() for ticket in tickets]
