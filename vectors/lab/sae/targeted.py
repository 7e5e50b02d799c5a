"""Steering vectors made of an autoencoder's own directions: which features, and how they are put together.

The original's three ways (Shumatsurontek/steering-research): the TOP features weighted by their score, their
plain sum, or the best alone. Features are chosen by how much more a domain's prompts activate them than
neutral ones, or by an output score: how alike what a feature does to the logits and what the domain's prompts
do to them are (after Arad et al. 2025, arXiv 2505.20063).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vectors.domains.activations import Passage, residuals
from vectors.domains.domain_vector import DomainVector
from vectors.domains.prompt_sets import PromptSet
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.portraits import DomainReading
from vectors.models.blocks import final_norm, head
from vectors.models.loading import LanguageModel
from vectors.models.norms import norm_scale

Strategy: TypeAlias = Literal["weighted", "uniform", "single"]
Choice: TypeAlias = Literal["difference", "output"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True)
class Chosen:
    """Features of an autoencoder and their scores, the best first."""

    features: tuple[int, ...]
    scores: tuple[float, ...]


def by_difference(reading: DomainReading, sae: Linear) -> Tensor:
    """How much more the domain's prompts activate each feature than the neutral ones, [d_sae]."""
    activations = reading.features(sae)
    difference: Tensor = activations[: reading.pairs].mean(0) - activations[reading.pairs :].mean(0)
    return difference


@torch.no_grad()
def by_output(lm: LanguageModel, prompts: PromptSet, sae: Linear) -> Tensor:
    """Cosine of what each feature does to the logits and what the domain's prompts do to them, [d_sae].

    The first is W_U·(w_norm ⊙ d_j), the second the mean log-probabilities after the domain's prompts less
    those after neutral ones; both are centred over the vocabulary, since a shift of all logits does nothing.
    The original leaves the norm's weights out.
    """
    unembedding, norm = head(lm.model), final_norm(lm.model)
    means = []
    for texts in (prompts.positive, prompts.negative):
        passages = [Passage(ids, [len(ids) - 1]) for ids, _ in map(lm.chat.encode_content, texts)]
        last = torch.stack([h[0, 0] for _, h in residuals(lm.model, passages, layers=[lm.n_layers - 1])])
        like = next(norm.parameters())
        logits = unembedding(norm(last.to(like.dtype).to(like.device))).float()
        means.append(logits.log_softmax(-1).mean(0))
    wanted = means[0] - means[1]
    wanted = wanted - wanted.mean()
    rows = sae.w_dec * norm_scale(norm, lm.d_model).cpu()
    scores = [
        normalize(effect - effect.mean(1, keepdim=True), dim=1) @ normalize(wanted, dim=0)
        for part in torch.split(rows, 256)
        for effect in [unembedding(part.to(like)).float()]
    ]
    return torch.cat(scores).cpu()


def best(scores: Tensor, usable: Tensor, top: int) -> Chosen:
    """The `top` features by their score above zero, of those that `usable` [d_sae] leaves."""
    found = scores.masked_fill(~usable, -torch.inf).topk(top)
    kept = found.values > 0
    return Chosen(tuple(found.indices[kept].tolist()), tuple(found.values[kept].tolist()))


def put_together(strategy: Strategy, chosen: Chosen, rows: Tensor) -> Tensor:
    """The direction [d_model] of chosen features with rows [d_sae, d_model]."""
    own = rows[list(chosen.features)]
    if strategy == "single":
        return own[0]
    if strategy == "uniform":
        return own.sum(0)
    return torch.tensor(chosen.scores) @ own


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
