"""Composition: several domains at once, as one composed vector or one vector after the other.

What is compared is the answer to the same prompt at the same length: unsteered, under each single vector, and
under each way of composing them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch

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
from vectors.steering.intervention import Steering

Mode = Literal["add", "weighted", "switch"]
MODES: tuple[Mode, ...] = get_args(Mode)
_NOTHING = 1e-6  # of the residual's spread: what is left of vectors that cancel each other out


@dataclass(frozen=True)
class Condition:
    """One way to steer the answers, and what came of it, by domain, as means over prompts.

    hits: distinct keywords of the domain in an answer; `against_single` is their paired difference from the
    answers under the domain's own vector alone. text_nats: mean log-likelihood a token of the domain's
    held-out texts minus that of neutral ones, as the paired change from the unsteered model; taking turns it
    is that of the domain's own turn. total: hits of all the domains; `against_unsteered` is their paired
    difference from the unsteered answers. degenerate: share of answers that repeat or say nothing.
    """

    name: str
    hits: Mapping[str, Estimate]
    against_single: Mapping[str, Estimate]
    text_nats: Mapping[str, Estimate]
    total: Estimate
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


def composed(vectors: Sequence[DomainVector], weights: Sequence[float]) -> DomainVector:
    """Add up the displacements that the vectors' default steerings would make, each times its weight.

    At every layer the direction is Σ w_i · α_i · v_i/‖v_i‖, with α_i the same share of the residual's spread
    there as the i-th vector is steered with by default at its own layer. At its own default layer, the mean
    of theirs, the result adds exactly that sum. Raises UnfitAnalysis for fewer than two domains and for
    vectors that cancel each other out.
    """
    domains = [vector.domain for vector in vectors]
    if len(domains) < 2 or len(set(domains)) < len(domains) or len(weights) != len(domains):
        raise UnfitAnalysis(
            f"cannot compose {', '.join(domains)} with {len(weights)} weights: "
            "name at least two different domains and a weight for each"
        )
    layers = range(len(vectors[0].directions))
    directions = torch.zeros_like(vectors[0].directions)
    for vector, weight in zip(vectors, weights, strict=True):
        share = vector.relative_alpha(vector.intervention())
        steerings = [vector.intervention(layer, vector.at_share(layer, share)) for layer in layers]
        directions += weight * torch.stack([each.delta() for each in steerings])
    norms, spreads = (
        torch.stack(of).mean(0)
        for of in zip(*((vector.residual_norms, vector.spreads) for vector in vectors), strict=True)
    )
    layer = round(sum(vector.default_layer for vector in vectors) / len(vectors))
    alpha = float(directions[layer].norm())
    if not _NOTHING * float(spreads[layer]) < alpha < float("inf"):
        raise UnfitAnalysis(
            f"with these weights {', '.join(domains)} cancel each other out or are not finite"
        )
    first, *others = (vector.metadata for vector in vectors)
    metadata = {key: value for key, value in first.items() if all(o.get(key) == value for o in others)}
    parts = [
        {"domain": vector.domain, "sha256": vector.sha256, "weight": weight}
        for vector, weight in zip(vectors, weights, strict=True)
    ]
    metadata |= {"method": "composition", "parts": json.dumps(parts)}
    return DomainVector("+".join(domains), directions, norms, spreads, layer, alpha, metadata)


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
            steering = composed(vectors, weights_of(mode, vectors, weights)).intervention()
            turns[mode] = [((steering,), whole)]
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
    return _conditions(written, likelihoods, keywords)


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
    return [
        Condition(
            name,
            {domain: mean(hits[name][domain], at_least=0) for domain in keywords},
            {domain: paired(hits[name][domain], hits[domain][domain]) for domain in keywords},
            likelihoods[name],
            mean(totals[name], at_least=0),
            paired(totals[name], totals["unsteered"]),
            rate(sum(map(degenerate, each)), len(each)),
        )
        for name, each in written.items()
    ]
