"""Composition: several domains at once, as one list of interventions or one vector after the other.

What is compared is the answer to the same prompt at the same length: unsteered, under each single vector, and
under each way of composing them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from vectors.domains.domain_vector import DomainVector
from vectors.domains.heldout import Pair
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import UnfitAnalysis
from vectors.measuring.asking import answers, units_of
from vectors.measuring.journal import Journal
from vectors.measuring.likelihood import text_margins
from vectors.measuring.measures import degenerate, keyword_hits
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, mean, paired, rate
from vectors.steering import text
from vectors.steering.intervention import Steering, named

Mode = Literal["add", "weighted", "switch"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Condition:
    """One way to steer the answers, and what came of it, by domain, as means over prompts.

    steering: what each turn of an answer was steered with (docs/steering.md). hits: distinct keywords of the
    domain in an answer; `against_single` is their paired difference from the answers under the domain's own
    vector alone. text_nats: mean log-likelihood a token of the domain's held-out texts minus that of neutral
    ones, as the paired change from the unsteered model; taking turns it is that of the domain's own turn.
    total: hits of all the domains; `against_alone` is their paired difference from what each domain's vector
    alone brings of its own, `against_unsteered` that from the unsteered answers. degenerate: share of answers
    that repeat or say nothing.
    """

    name: str
    steering: tuple[str, ...]
    hits: Mapping[str, Estimate]
    against_single: Mapping[str, Estimate]
    text_nats: Mapping[str, Estimate]
    total: Estimate
    against_alone: Estimate
    against_unsteered: Estimate
    degenerate: Estimate


_Turn = tuple[Steering, int]
"""What steers a turn of an answer, and how many tokens it has."""


@dataclass(eq=False)
class _Answer:
    """One answer on its way through its turns."""

    prompt_ids: tuple[int, ...]
    turns: Sequence[_Turn]
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    ended: bool = False

    def request(self, turn: int) -> GenerationRequest | None:
        """What asks for the next turn; None where the answer has ended."""
        steering, tokens = self.turns[turn]
        prompt = (*self.prompt_ids, *self.token_ids)
        return None if self.ended else GenerationRequest(prompt, steering, Sampling(tokens))


def composed(vectors: Sequence[DomainVector], weights: Sequence[float]) -> Steering:
    """Each vector at its own layer with its own strength times its weight: Σ w_i · α_i · v_i/‖v_i‖.

    Raises UnfitAnalysis for fewer than two domains, and for weights that are not finite or all zero.
    """
    domains = [vector.domain for vector in vectors]
    if len(domains) < 2 or len(set(domains)) < len(domains) or len(weights) != len(domains):
        raise UnfitAnalysis(
            f"cannot compose {', '.join(domains)} with {len(weights)} weights: "
            "name at least two different domains and a weight for each"
        )
    if not (all(map(math.isfinite, weights)) and any(weights)):
        raise UnfitAnalysis(f"with the weights {weights} {', '.join(domains)} steer nothing that can be run")
    whole = [vector.intervention() for vector in vectors]
    return tuple(
        replace(each, alpha=each.alpha * weight) for each, weight in zip(whole, weights, strict=True)
    )


def weights_of(mode: Mode, vectors: Sequence[DomainVector], weights: Sequence[float] | None) -> list[float]:
    """What a mode multiplies each vector with: 1 unless weighted, and equal parts of 1 if none are given."""
    if mode != "weighted":
        return [1.0] * len(vectors)
    return list(weights or [1 / len(vectors)] * len(vectors))


def compare(
    engine: Engine,
    lm: LanguageModel,
    vectors: Sequence[DomainVector],
    modes: Sequence[Mode],
    probes: Sequence[str],
    pairs: Mapping[str, Sequence[Pair]],
    keywords: Mapping[str, Sequence[str]],
    *,
    weights: Sequence[float] | None = None,
    tokens: int = 16,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> list[Condition]:
    """Answer each probe greedily, unsteered, under each single vector and composed in each mode.

    An answer has `tokens` for each domain. In mode `switch` the domains take turns: the first vector steers
    the first `tokens`, the second goes on from there, and so on; a turn after the end of the answer is empty.
    `weights` are those of mode `weighted`. `pairs` are held-out texts by domain (see `text_margins`) and
    `keywords` words, for those that have any.
    """
    whole = tokens * len(vectors)
    turns: dict[str, list[_Turn]] = {"unsteered": [((), whole)]}
    single: dict[str, Steering] = {vector.domain: (vector.intervention(),) for vector in vectors}
    turns |= {domain: [(steering, whole)] for domain, steering in single.items()}
    for mode in modes:
        if mode == "switch":
            turns[mode] = [(steering, tokens) for steering in single.values()]
        else:
            turns[mode] = [(composed(vectors, weights_of(mode, vectors, weights)), whole)]
    prompts = [lm.chat_ids([{"role": "user", "content": probe}]) for probe in probes]
    journal = journal or Journal()
    of_prompts = [{name: _Answer(prompt, own) for name, own in turns.items()} for prompt in prompts]
    _take_turns(engine, [answer for each in of_prompts for answer in each.values()], journal, progress)
    written = {name: [each[name] for each in of_prompts] for name in turns}
    likelihoods: dict[str, dict[str, Estimate]] = {name: {} for name in turns}
    for domain, own_pairs in pairs.items():
        steerings = [own[0][0] if len(own) == 1 else single[domain] for own in turns.values()]
        distinct = list(dict.fromkeys(steerings))
        measured = text_margins(engine, lm, own_pairs, prompts, distinct, journal, progress)
        margins = dict(zip(distinct, measured, strict=True))
        for name, its in zip(turns, steerings, strict=True):
            likelihoods[name][domain] = paired(margins[its], margins[()])
    said = {name: tuple(text.written(named(steering)) for steering, _ in own) for name, own in turns.items()}
    return _conditions(said, written, likelihoods, keywords)


def units(prompts: int, domains: int, modes: Sequence[Mode], pairs: Mapping[str, Sequence[Pair]]) -> int:
    """In how many units so many prompts are answered and texts scored."""
    later = (domains - 1) * units_of(prompts) if "switch" in modes else 0
    scored = sum(min(prompts, len(own)) for own in pairs.values())
    return units_of(prompts * (1 + domains + len(modes))) + later + scored


def _take_turns(engine: Engine, those: Sequence[_Answer], journal: Journal, progress: Progress) -> None:
    """Write the answers, all of them turn by turn; one that has ended takes no further turn."""
    for turn in range(max(len(answer.turns) for answer in those)):
        going = [answer for answer in those if turn < len(answer.turns)]
        requests = [answer.request(turn) for answer in going]
        written = answers(engine, requests, f"turn {turn + 1}", journal, progress)
        for answer, more in zip(going, written, strict=True):
            answer.token_ids += more.token_ids
            answer.text += more.text
            answer.ended = more.ended


def _conditions(
    steerings: Mapping[str, tuple[str, ...]],
    written: Mapping[str, Sequence[_Answer]],
    likelihoods: Mapping[str, Mapping[str, Estimate]],
    keywords: Mapping[str, Sequence[str]],
) -> list[Condition]:
    hits = {
        name: {
            domain: [keyword_hits(answer.text, words) for answer in each]
            for domain, words in keywords.items()
        }
        for name, each in written.items()
    }
    totals = {
        name: [sum(of[number] for of in hits[name].values()) for number in range(len(each))]
        for name, each in written.items()
    }
    own = [hits[domain][domain] for domain in keywords]
    alone = [sum(of[number] for of in own) for number in range(len(totals["unsteered"]))]
    return [
        Condition(
            name,
            steerings[name],
            {domain: mean(hits[name][domain], at_least=0) for domain in keywords},
            {domain: paired(hits[name][domain], hits[domain][domain]) for domain in keywords},
            likelihoods[name],
            mean(totals[name], at_least=0),
            paired(totals[name], alone),
            paired(totals[name], totals["unsteered"]),
            rate(sum(map(degenerate, each)), len(each)),
        )
        for name, each in written.items()
    ]
