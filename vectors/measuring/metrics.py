"""What a calibration measures: a figure for each observation, higher for better, steered or not.

An observation is a prompt as a node sees it (its situation) with what is measured in front of it. Texts that
are given are scored, which is cheap and says something at every token; answers are sampled, each observation
with a seed of its own, so that steered and unsteered answers are paired by it. Nothing here knows where a
prompt comes from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.errors import CertificateError
from vectors.measuring.asking import asked
from vectors.measuring.journal import Journal
from vectors.measuring.measures import degenerate, distinct_2, keyword_hits, kl_bits
from vectors.steering.intervention import Intervention, Steering
from vectors.steering.positions import Turn


@dataclass(frozen=True)
class Observation:
    """One prompt and what is measured after it; which fields matter depends on the metric.

    situation: number of the prompt; observations of one situation are not independent.
    text, neutral: token ids to score after the prompt, the neutral ones perhaps none.
    sampling: how an answer is generated. valid: whether an answer's text is of use. keywords: words that
    count. turns: where the prompt's turns are, for steering that goes by roles.
    """

    situation: int
    prompt_ids: tuple[int, ...]
    text: tuple[int, ...] = ()
    neutral: tuple[int, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    valid: Callable[[str], bool] | None = None
    keywords: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()

    @property
    def tokens(self) -> int:
        """Forward tokens of measuring this once, if nothing were shared between requests."""
        if self.text:
            scored = [len(ids) for ids in (self.text, self.neutral) if ids]
            return sum(scored) + len(scored) * len(self.prompt_ids)
        return len(self.prompt_ids) + self.sampling.max_new_tokens


Metric = Callable[[Engine, Sequence[Observation], Sequence[Steering]], list[list[float]]]
"""Measures observations under several steerings at once, in which None is none: [steerings][observations]."""


def likelihood(
    engine: Engine, observations: Sequence[Observation], steerings: Sequence[Steering]
) -> list[list[float]]:
    """Log-likelihood per token, in nats, of the text minus that of the neutral text, where there is one.

    Teacher-forced: every token is scored after the prompt and the true tokens before it. A push that makes
    all text less likely, or all text more likely, cancels out.
    """
    texts = [[ids for ids in (each.text, each.neutral) if ids] for each in observations]
    scored = iter(
        asked(
            engine,
            [
                replace(scoring(each.prompt_ids, ids, steering), turns=each.turns)
                for steering in steerings
                for each, own in zip(observations, texts, strict=True)
                for ids in own
            ],
        )
    )
    values = []
    for _ in steerings:
        means = [[fmean(next(scored).logprobs) for _ in own] for own in texts]
        values.append([text - sum(neutral) for text, *neutral in means])
    return values


def validity(
    engine: Engine, observations: Sequence[Observation], steerings: Sequence[Steering]
) -> list[list[float]]:
    """1 where the answer is of use by the observation's own measure, else 0."""

    def value(each: Observation, answer: Generation) -> float:
        if each.valid is None:
            raise CertificateError("validity needs observations that say which answers are valid")
        return float(each.valid(answer.text))

    return _of_answers(engine, observations, steerings, value)


def keywords(
    engine: Engine, observations: Sequence[Observation], steerings: Sequence[Steering]
) -> list[list[float]]:
    """How many of the observation's keywords the answer holds, each counted once."""
    return _of_answers(
        engine, observations, steerings, lambda each, a: float(keyword_hits(a.text, each.keywords))
    )


def degeneration(
    engine: Engine, observations: Sequence[Observation], steerings: Sequence[Steering]
) -> list[list[float]]:
    """Share of distinct token pairs in the answer, 0 for an empty one: the lower, the more it degenerates."""
    return _of_answers(
        engine, observations, steerings, lambda _, a: distinct_2(a.token_ids) if a.text.strip() else 0.0
    )


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
    """Watches the answers of a few situations."""

    def __init__(self, engine: Engine, observations: Sequence[Observation], journal: Journal) -> None:
        self._engine, self._observations, self._journal = engine, observations, journal
        self.tokens = 0

    def watch(self, steering: Intervention) -> Degeneration:
        """Compare steered answers with unsteered ones."""
        self.tokens += 2 * sum(each.tokens for each in self._observations)
        return Degeneration(len(self._observations), *self._journal.once(lambda: self._shares(steering)))

    def _shares(self, steering: Intervention) -> tuple[float, float, float, float]:
        bare, steered = _answers(self._engine, self._observations, [(), (steering,)], distribution=True)
        pairs = list(zip(steered, bare, strict=True))
        divergences = [
            kl_bits(one.distribution, other.distribution)
            for one, other in pairs
            if one.distribution is not None and other.distribution is not None
        ]
        return (
            fmean(map(degenerate, steered)),
            fmean(map(degenerate, bare)),
            fmean(one.token_ids != other.token_ids for one, other in pairs),
            fmean(divergences),
        )


def _of_answers(
    engine: Engine,
    observations: Sequence[Observation],
    steerings: Sequence[Steering],
    value: Callable[[Observation, Generation], float],
) -> list[list[float]]:
    return [
        [value(each, answer) for each, answer in zip(observations, written, strict=True)]
        for written in _answers(engine, observations, steerings)
    ]


def _answers(
    engine: Engine,
    observations: Sequence[Observation],
    steerings: Sequence[Steering],
    *,
    distribution: bool = False,
) -> list[list[Generation]]:
    """[steerings][observations]"""
    made = iter(
        asked(
            engine,
            [
                GenerationRequest(
                    each.prompt_ids, steering, each.sampling, distribution=distribution, turns=each.turns
                )
                for steering in steerings
                for each in observations
            ],
        )
    )
    return [[next(made) for _ in observations] for _ in steerings]
