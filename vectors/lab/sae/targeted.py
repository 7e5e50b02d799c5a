"""Steering vectors made of an autoencoder's own directions: which features, and how they are put together.

The original's three ways (Shumatsurontek/steering-research): the TOP features weighted by their score, their
plain sum, or the best alone. What they are chosen by is in `vectors.lab.sae.scores`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vectors.domains.domain_vector import DomainVector

Strategy: TypeAlias = Literal["weighted", "uniform", "single"]
Choice: TypeAlias = Literal["difference", "output", "published"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True)
class Chosen:
    """Features of an autoencoder, the best first, and what each is weighted with."""

    features: tuple[int, ...]
    weights: tuple[float, ...]

    def first(self, count: int) -> "Chosen":
        """The best of them."""
        return Chosen(self.features[:count], self.weights[:count])


def best(scores: Tensor, usable: Tensor, top: int) -> Chosen:
    """The `top` features by their score above zero, of those that `usable` [d_sae] leaves, if so many are."""
    found = scores.masked_fill(~usable, -torch.inf).topk(min(top, len(scores)))
    kept = found.values > 0
    return Chosen(tuple(found.indices[kept].tolist()), tuple(found.values[kept].tolist()))


def ranked(candidates: Chosen, scores: Sequence[float], top: int) -> Chosen:
    """The `top` of some candidates by other scores, each with the weight that it has."""
    order = sorted(range(len(scores)), key=lambda number: -scores[number])[:top]
    return Chosen(
        tuple(candidates.features[number] for number in order),
        tuple(candidates.weights[number] for number in order),
    )


def put_together(strategy: Strategy, chosen: Chosen, rows: Tensor) -> Tensor:
    """The direction [d_model] of chosen features with rows [d_sae, d_model]."""
    own = rows[list(chosen.features)]
    if strategy == "single":
        return own[0]
    if strategy == "uniform":
        return own.sum(0)
    return torch.tensor(chosen.weights) @ own


def random_features(rows: Tensor, usable: Tensor, like: Tensor, count: int, seed: int) -> Sequence[Tensor]:
    """Rows of other features, drawn at random and of the norm of `like`: what a vector is compared with."""
    generator = torch.Generator().manual_seed(seed)
    alive = usable.nonzero()[:, 0]
    drawn = alive[torch.randperm(len(alive), generator=generator)[:count]]
    return [normalize(rows[index], dim=0) * like.norm() for index in drawn]


def directed(
    own: DomainVector, name: str, direction: Tensor, layer: int, facts: Mapping[str, str]
) -> DomainVector:
    """A vector that is `direction` [d_model] at one layer and nothing at others, steering as a domain's does.

    Norms and spreads of the residual stream are those that the domain's own vector knows.
    """
    directions = torch.zeros_like(own.directions)
    directions[layer] = direction
    return replace(
        own,
        domain=name,
        directions=directions,
        default_layer=layer,
        default_alpha=None,
        metadata={**own.metadata, **facts},
        file=None,
    )


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two directions [d_model]."""
    return float(normalize(one, dim=0) @ normalize(other, dim=0))
