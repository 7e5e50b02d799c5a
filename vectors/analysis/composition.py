"""Composition: several domains at once, as one composed vector or one vector after the other.

What is compared is the answer to the same prompt at the same length: unsteered, under each single vector, and
under each way of composing them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import nn

from vectors.analysis.collecting import collect
from vectors.analysis.estimates import Estimate, mean, paired, rate
from vectors.analysis.measures import degenerate, keyword_hits
from vectors.domain_vector import DomainVector
from vectors.engine import Engine, GenerationRequest
from vectors.errors import UnfitAnalysis
from vectors.models import LanguageModel
from vectors.progress import Progress, silent
from vectors.prompt_sets import load_prompt_set
from vectors.sampling import Sampling
from vectors.steering import Steering

Mode = Literal["add", "weighted", "switch"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Part:
    """A domain's vector in a composition and its weight."""

    vector: DomainVector
    weight: float


@dataclass(frozen=True)
class Condition:
    """One way to steer the answers, and what came of it, by domain, as means over prompts.

    hits: distinct keywords of the domain in an answer; `against_single` is their paired difference from the
    answers under the domain's own vector alone. total: hits of all the domains; `against_unsteered` is their
    paired difference from the unsteered answers. degenerate: share of answers that repeat or say nothing.
    """

    name: str
    hits: Mapping[str, Estimate]
    against_single: Mapping[str, Estimate]
    total: Estimate
    against_unsteered: Estimate
    degenerate: Estimate


_Turn = tuple[Steering | None, int]
"""What steers a turn of an answer, and how many tokens it has."""


@dataclass(eq=False)
class _Answer:
    """One answer on its way through its turns."""

    prompt_ids: tuple[int, ...]
    turns: Sequence[_Turn]
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    ended: bool = False


def composed(parts: Sequence[Part]) -> DomainVector:
    """Add up the displacements that the parts' own default steerings would make, each times its weight.

    At layer l the direction is Σ w_i · s_i · ‖h_l‖ · v_i/‖v_i‖, with s_i the part's default share of the
    residual norm: steering with the result's default α adds exactly Σ w_i · α_i · v_i/‖v_i‖. The default
    layer is the parts' mean, rounded. Raises UnfitAnalysis for fewer than two domains, vectors of different
    models, and parts that cancel each other out.
    """
    vectors = [part.vector for part in parts]
    domains = [vector.domain for vector in vectors]
    if len(set(domains)) < 2 or len(set(domains)) < len(domains):
        raise UnfitAnalysis(f"cannot compose {', '.join(domains)}: name at least two different domains")
    if len({vector.metadata.get("model_digest") for vector in vectors}) > 1:
        raise UnfitAnalysis(f"the vectors of {', '.join(domains)} belong to different models")
    norms = torch.stack([vector.residual_norms for vector in vectors]).mean(0)
    directions = torch.stack(
        [
            part.weight * _share(part.vector) * nn.functional.normalize(part.vector.directions, dim=1)
            for part in parts
        ]
    ).sum(0) * norms.unsqueeze(1)
    layer = round(sum(vector.default_layer for vector in vectors) / len(vectors))
    alpha = float(directions[layer].norm())
    if not alpha > 1e-6 * float(norms[layer]):
        raise UnfitAnalysis(f"with these weights {', '.join(domains)} cancel each other out")
    return DomainVector("+".join(domains), directions, norms, layer, alpha, _metadata(parts))


def _share(vector: DomainVector) -> float:
    return vector.relative_alpha(vector.steering())


def _metadata(parts: Sequence[Part]) -> dict[str, str]:
    """What all the parts agree on, and what they are."""
    first, *others = (part.vector.metadata for part in parts)
    shared = {key: value for key, value in first.items() if all(o.get(key) == value for o in others)}
    named = [
        {"domain": part.vector.domain, "sha256": part.vector.sha256, "weight": part.weight} for part in parts
    ]
    return shared | {"method": "composition", "parts": json.dumps(named)}


def compare(
    engine: Engine,
    lm: LanguageModel,
    parts: Mapping[Mode, Sequence[Part]],
    probes: Sequence[str],
    *,
    tokens: int = 16,
    progress: Progress = silent,
) -> list[Condition]:
    """Answer each probe greedily, unsteered, under each single vector and in each mode of `parts`.

    An answer has `tokens` for each domain. In mode `switch` the domains take turns: the first vector steers
    the first `tokens`, the second goes on from there, and so on; a turn after the end of the answer is empty.
    """
    singles = [part.vector for part in next(iter(parts.values()))]
    whole = tokens * len(singles)
    turns: dict[str, list[_Turn]] = {"unsteered": [(None, whole)]}
    for vector in singles:
        turns[vector.domain] = [(vector.steering(), whole)]
    for mode, chosen in parts.items():
        if mode == "switch":
            turns[mode] = [(part.vector.steering(), tokens) for part in chosen]
        else:
            turns[mode] = [(composed(chosen).steering(), whole)]
    answers = {
        name: [_Answer(lm.chat_ids([{"role": "user", "content": probe}]), own) for probe in probes]
        for name, own in turns.items()
    }
    _take_turns(engine, [answer for each in answers.values() for answer in each], progress)
    return _conditions(answers, [vector.domain for vector in singles])


def _take_turns(engine: Engine, answers: Sequence[_Answer], progress: Progress) -> None:
    """Write the answers, all of them turn by turn; one that has ended takes no further turn."""
    for turn in range(max(len(answer.turns) for answer in answers)):
        going = [answer for answer in answers if turn < len(answer.turns) and not answer.ended]
        requests = []
        for answer in going:
            steering, tokens = answer.turns[turn]
            prompt = (*answer.prompt_ids, *answer.token_ids)
            requests.append(GenerationRequest(prompt, steering, Sampling(tokens)))
        written = collect((engine.submit(request) for request in requests), f"turn {turn + 1}", progress)
        for answer, generation in zip(going, written, strict=True):
            answer.token_ids += generation.token_ids
            answer.text += generation.text
            answer.ended = generation.finish_reason == "stop"


def _conditions(answers: Mapping[str, Sequence[_Answer]], domains: Sequence[str]) -> list[Condition]:
    hits = {
        name: {
            domain: [keyword_hits(answer.text, load_prompt_set(domain).keywords) for answer in each]
            for domain in domains
        }
        for name, each in answers.items()
    }
    totals = {name: [sum(each) for each in zip(*hits[name].values(), strict=True)] for name in answers}
    return [
        Condition(
            name,
            {domain: mean(hits[name][domain]) for domain in domains},
            {domain: paired(hits[name][domain], hits[domain][domain]) for domain in domains},
            mean(totals[name]),
            paired(totals[name], totals["unsteered"]),
            rate(sum(map(degenerate, each)), len(each)),
        )
        for name, each in answers.items()
    ]
