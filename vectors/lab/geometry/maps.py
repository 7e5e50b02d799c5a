"""Linear maps from one model's residual stream to another's, learned on the same texts.

All but the identity are learned on channels of unit variance, since few channels make up most of a residual's
length, and are then maps of plain residuals again. A direction is mapped by the linear part alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = (1e-2, 1e-1, 1.0, 10.0)
"""λ of the ridge, as a share of a channel's variance."""
RANKS = (16, 64, 256)
ANCHORS = 256


@dataclass(frozen=True, eq=False)
class Paired:
    """Residuals of the same places in two models at a layer each, [pairs, d_source] and [pairs, d_target]."""

    source: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False)
class LinearMap:
    """x ↦ (x − source_mean) · matrix + target_mean; `chosen` says what was chosen on the validation pairs."""

    matrix: Tensor
    source_mean: Tensor
    target_mean: Tensor
    chosen: str = ""

    def __call__(self, points: Tensor) -> Tensor:
        """Where residuals [n, d_source] lie in the target, [n, d_target]."""
        return (points - self.source_mean) @ self.matrix + self.target_mean

    def direction(self, directions: Tensor) -> Tensor:
        """Directions [n, d_source] in the target, [n, d_target]."""
        return directions @ self.matrix


class Scaled:
    """Pairs with channels of mean 0 and variance 1, and the way back."""

    def __init__(self, pairs: Paired) -> None:
        self._means = pairs.source.mean(0), pairs.target.mean(0)
        self._spreads = tuple(each.std(0).clamp_min(1e-6) for each in (pairs.source, pairs.target))
        self.source, self.target = self.apply(pairs)

    def apply(self, pairs: Paired) -> tuple[Tensor, Tensor]:
        """Other pairs by the same means and spreads."""
        (a, b), (c, d) = self._means, self._spreads
        return (pairs.source - a) / c, (pairs.target - b) / d

    def map(self, matrix: Tensor, chosen: str = "") -> LinearMap:
        """A map between scaled channels, as one between residuals."""
        whole = matrix / self._spreads[0][:, None] * self._spreads[1]
        return LinearMap(whole, *self._means, chosen)


def r_squared(predicted: Tensor, true: Tensor) -> float:
    """The share of the variance about 0 of scaled residuals [n, d] that is predicted, over all channels."""
    return 1 - float(((true - predicted) ** 2).sum() / (true**2).sum())


def identity(train: Paired, _validation: Paired) -> LinearMap:
    """The first channels on the first, in a wider target padded with nothing: what no learning does."""
    widths = train.source.shape[1], train.target.shape[1]
    return LinearMap(torch.eye(*widths), train.source.mean(0), train.target.mean(0))


def procrustes(train: Paired, _validation: Paired) -> LinearMap:
    """The best turn and one scale (Schönemann 1966, Psychometrika 31:1); between widths onto a subspace."""
    scaled = Scaled(train)
    u, s, vh = torch.linalg.svd(scaled.source.T @ scaled.target, full_matrices=False)
    turn = u @ vh
    size = s.sum() / ((scaled.source @ turn) ** 2).sum()
    return scaled.map(size * turn)


def ridge(train: Paired, validation: Paired) -> LinearMap:
    """Ridge regression (Hoerl & Kennard 1970), the penalty chosen on the validation pairs."""
    scaled = Scaled(train)
    matrix, penalty = _ridge(scaled, validation)
    return scaled.map(matrix, f"λ {penalty:g}")


def reduced_rank(train: Paired, validation: Paired) -> LinearMap:
    """The ridge's predictions in their first principal directions (Izenman 1975); rank chosen likewise."""
    scaled = Scaled(train)
    matrix, penalty = _ridge(scaled, validation)
    axes = torch.linalg.svd(scaled.source @ matrix, full_matrices=False).Vh
    source, target = scaled.apply(validation)
    cut = [matrix @ axes[:rank].T @ axes[:rank] for rank in RANKS]
    best = max(range(len(RANKS)), key=lambda number: r_squared(source @ cut[number], target))
    return scaled.map(cut[best], f"λ {penalty:g}, rank {RANKS[best]}")


def anchors(train: Paired, _validation: Paired) -> LinearMap:
    """The least residual of the target with the same products to anchors (arXiv 2605.09875), and one scale.

    The first ANCHORS training pairs are the anchors.
    """
    scaled = Scaled(train)
    source, target = scaled.source[:ANCHORS], scaled.target[:ANCHORS]
    matrix = source.T @ torch.linalg.pinv(target, rtol=1e-2).T
    predicted = scaled.source @ matrix
    return scaled.map((predicted * scaled.target).sum() / (predicted**2).sum() * matrix)


METHODS: dict[str, Callable[[Paired, Paired], LinearMap]] = {
    "identity": identity,
    "procrustes": procrustes,
    "ridge": ridge,
    "reduced-rank": reduced_rank,
    "anchors": anchors,
}


def _ridge(scaled: Scaled, validation: Paired) -> tuple[Tensor, float]:
    n, (source, target) = len(scaled.source), scaled.apply(validation)
    values, axes = torch.linalg.eigh(scaled.source.T @ scaled.source / n)
    shared = axes.T @ (scaled.source.T @ scaled.target) / n
    tried = [axes @ (shared / (values + penalty)[:, None]) for penalty in PENALTIES]
    best = max(range(len(tried)), key=lambda number: r_squared(source @ tried[number], target))
    return tried[best], PENALTIES[best]


def layer_map(source: Tensor, target: Tensor, train: Tensor, validation: Tensor) -> Tensor:
    """R² on validation pairs of the ridge from each layer to each, [source layers, target layers].

    source, target: [pairs, layers, d]; train, validation: numbers of pairs. The penalty is the best one of
    each pair of layers.
    """
    n, layers, width = len(train), target.shape[1], target.shape[2]
    goal, held_out = _scaled(target[train].flatten(1), target[validation].flatten(1))
    total = (held_out**2).reshape(-1, layers, width).sum((0, 2))
    found = torch.empty(source.shape[1], layers)
    for layer in range(source.shape[1]):
        one, unseen = _scaled(source[train, layer], source[validation, layer])
        values, axes = torch.linalg.eigh(one.T @ one / n)
        shared = (one @ axes).T @ goal / n
        seen = unseen @ axes
        errors = [
            ((held_out - seen @ (shared / (values + penalty)[:, None])) ** 2)
            .reshape(-1, layers, width)
            .sum((0, 2))
            for penalty in PENALTIES
        ]
        found[layer] = 1 - torch.stack(errors).min(0).values / total
    return found


def _scaled(train: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals [n, d] with channels of mean 0 and variance 1, and others by the same means and spreads."""
    pairs = Scaled(Paired(train.float(), train.float()))
    return pairs.source, pairs.apply(Paired(others.float(), others.float()))[0]
