"""What a page about a feature shows, beside its texts: its direction, the tokens it moves, its neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vectors.lab.sae.linear import Linear
from vectors.lab.sae.scores import through_lens
from vectors.models.loading import LanguageModel

_TOKENS, _NEIGHBOURS, _CHANNELS, _BARS = 10, 10, 3, 50


@dataclass(frozen=True)
class Ranked:
    """Things by number, and a value for each, the first being the most."""

    numbers: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Dashboard:
    """A feature. promoted, suppressed: token ids and what W_U·(w_norm ⊙ d) gives them. neighbours: features
    by the cosine of their directions. channels: those of the residual along which its direction is longest,
    and `channel_shares` of the sum of all sizes. bars: how many tokens have a logit about each of `middles`.
    """

    feature: int
    vector: tuple[float, ...]
    promoted: Ranked
    suppressed: Ranked
    neighbours: Ranked
    channels: Ranked
    channel_shares: tuple[float, ...]
    bars: tuple[int, ...]
    middles: tuple[float, ...]


@torch.no_grad()
def dashboards(lm: LanguageModel, sae: Linear, features: Sequence[int]) -> Iterator[Dashboard]:
    """The features' pages, in order."""
    units, known = normalize(sae.w_dec, dim=1), len(lm.tokenizer)
    wanted = list(features)
    alike = units[wanted] @ units.T
    alike[torch.arange(len(wanted)), wanted] = -torch.inf
    logits = (row for part in through_lens(lm, sae.w_dec[wanted]) for row in part[:, :known].cpu())
    for feature, cosines, row in zip(wanted, alike, logits, strict=True):
        direction = sae.w_dec[feature]
        sizes = direction.abs()
        channels = sizes.topk(min(_CHANNELS, len(sizes))).indices
        low, high = float(row.min()), float(row.max())
        bars = torch.histc(row, _BARS, low, high)
        width = (high - low) / _BARS
        yield Dashboard(
            feature=feature,
            vector=_figures(direction),
            promoted=_ranked(row, _TOKENS),
            suppressed=_ranked(-row, _TOKENS, sign=-1),
            neighbours=_ranked(cosines, min(_NEIGHBOURS, len(units) - 1)),
            channels=Ranked(tuple(channels.tolist()), _figures(direction[channels])),
            channel_shares=_figures(sizes[channels] / sizes.sum().clamp_min(1e-30)),
            bars=tuple(int(count) for count in bars.tolist()),
            middles=tuple(float(f"{low + (number + 0.5) * width:.6g}") for number in range(_BARS)),
        )


def _ranked(values: Tensor, count: int, sign: int = 1) -> Ranked:
    found = values.topk(min(count, len(values)))
    return Ranked(tuple(found.indices.tolist()), _figures(sign * found.values))


def _figures(values: Tensor) -> tuple[float, ...]:
    """As many digits as single precision has."""
    return tuple(float(f"{value:.9g}") for value in values.tolist())
