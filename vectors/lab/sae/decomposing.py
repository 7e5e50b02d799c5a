"""Domains' vectors through one autoencoder, with intervals over their prompts and what chance would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from vectors.lab.sae.diffuseness import TOP, as_original, by_chance, participation, pursuit, shared
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.portraits import DomainReading
from vectors.lab.sae.quality import DENSE
from vectors.statistics.estimates import CONFIDENCE, Estimate

STEPS = (5, 20, 100)
"""How many features a vector is decomposed into."""
FEW = 20
_RESAMPLES = 100
_RANDOM = 64
_TWO_SIDED = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class DomainRow:
    """A domain's vector. explained: R² by the number of features, `few` that of FEW with its interval.

    shared: how many of its TOP features are among the domain's TOP, `by_chance` as many as two random choices
    share, and p of as many or more. dense: how many of its TOP are active at more than a tenth of all tokens.
    as_original: the original's share of active features.
    """

    domain: str
    explained: dict[int, float]
    few: Estimate
    participation: Estimate
    shared: int
    by_chance: float
    p: float
    dense: int
    as_original: float


@dataclass(frozen=True)
class Decomposition:
    """Each domain, and means over them; n counts prompts. What random directions have stands beside."""

    rows: tuple[DomainRow, ...]
    few: Estimate
    participation: Estimate
    shared: Estimate
    random_few: float
    random_participation: float
    dead: float


def decompose(
    readings: Sequence[DomainReading], sae: Linear, frequencies: Tensor | None, seed: int
) -> Decomposition:
    """Decompose the vectors of domains that were read at the autoencoder's block.

    `frequencies` [d_sae] say which features are dead, and so left out, and which dense. Pairs of prompts are
    drawn with replacement, 100 times, for the standard errors.
    """
    generator = torch.Generator().manual_seed(seed)
    often = torch.full((len(sae.w_dec),), 1e-3) if frequencies is None else frequencies
    usable = often > 0
    encoder, decoder = sae.w_enc * usable, sae.w_dec[usable]
    bias = getattr(sae, "b_enc", torch.zeros(len(sae.w_dec)))
    rows, drawn = [], []
    for reading in readings:
        activations = reading.features(sae)
        apart = activations[: reading.pairs] - activations[reading.pairs :]
        chosen = torch.randint(reading.pairs, (_RESAMPLES, reading.pairs), generator=generator)
        vectors = torch.cat([reading.vector()[None], reading.vector(chosen)])
        differences = torch.cat([apart.mean(0)[None], torch.stack([apart[each].mean(0) for each in chosen])])
        figures = torch.stack(
            [
                pursuit(vectors, decoder, FEW)[:, -1],
                participation(vectors, encoder),
                shared(vectors, encoder, differences, usable).float(),
            ]
        )
        drawn.append(figures)
        alone = vectors[:1]
        explained = pursuit(alone, decoder, max(STEPS))[0]
        both = int(figures[2, 0])
        expected, p = by_chance(both, int(usable.sum()))
        top = (alone @ encoder)[0].masked_fill(~usable, -torch.inf).topk(TOP).indices
        rows.append(
            DomainRow(
                domain=reading.domain,
                explained={steps: float(explained[steps - 1]) for steps in STEPS},
                few=_estimate(figures[0], len(reading.last)),
                participation=_estimate(figures[1], len(reading.last)),
                shared=both,
                by_chance=expected,
                p=p,
                dense=int((often[top] > DENSE).sum()),
                as_original=float(as_original(alone, sae.w_enc, bias)[0]),
            )
        )
    together, n = torch.stack(drawn).mean(0), sum(len(reading.last) for reading in readings)
    random = torch.randn(_RANDOM, sae.w_enc.shape[0], generator=generator)
    return Decomposition(
        rows=tuple(rows),
        few=_estimate(together[0], n),
        participation=_estimate(together[1], n),
        shared=_estimate(together[2], n),
        random_few=float(pursuit(random, decoder, FEW)[:, -1].mean()),
        random_participation=float(participation(random, encoder).mean()),
        dead=float((~usable).float().mean()),
    )


def _estimate(figures: Tensor, n: int) -> Estimate:
    """The first, with the standard error of the others, which were drawn again, to either side.

    Not their percentiles: vectors of pairs drawn with replacement are noisier than those of all pairs, so
    that fewer of their features stand out, and their figures lie lower.
    """
    value, half = float(figures[0]), _TWO_SIDED * float(figures[1:].std())
    return Estimate(value, max(0.0, value - half), value + half, n)
