"""How good an autoencoder is on residuals that it has not learnt from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vectors.lab.sae.architectures import Sae
from vectors.lab.sae.collecting import Shard
from vectors.statistics.estimates import Estimate, mean

DENSE = 0.1
"""A feature that is active at more tokens than this is dense: it says little of any of them."""


@dataclass(frozen=True)
class Quality:
    """l0: active features of a token. explained: share of the residuals' variance that the reconstruction
    explains. Their n are contexts: tokens of one are not independent. silent, dense: shares of features that
    are active at none of the `tokens`, and at more than a tenth.
    """

    tokens: int
    l0: Estimate
    explained: Estimate
    silent: float
    dense: float


def quality(sae: Sae, shard: Shard) -> tuple[Quality, Tensor]:
    """Figures of an autoencoder on a shard, and at what share of tokens each feature is active, [d_sae]."""
    counts = torch.bincount(shard.places // shard.tokens.shape[1])
    middle = shard.hidden.float().mean(0)
    l0, errors, spreads, active = [], [], [], torch.zeros(0)
    for part in torch.split(shard.hidden, counts[counts > 0].tolist()):  # a context at a time
        hidden = part.float()
        features = sae.encode(hidden)
        fired = features != 0
        active = fired.sum(0) + (active if len(active) else 0)
        l0.append(float(fired.sum(1).float().mean()))
        errors.append(float((hidden - sae.decode(features)).square().sum()))
        spreads.append(float((hidden - middle).square().sum()))
    frequencies = active / len(shard.hidden)
    total, n = sum(spreads), len(spreads)
    found = Quality(
        tokens=len(shard.hidden),
        l0=mean(l0),
        explained=mean([1 - error * n / total for error in errors]),
        silent=float((frequencies == 0).float().mean()),
        dense=float((frequencies > DENSE).float().mean()),
    )
    return found, frequencies
