"""Over how many features a direction is spread, and whether those are the ones that its domain activates."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

TOP = 20
"""So many features are compared, as in the original."""


def pursuit(vectors: Tensor, rows: Tensor, steps: int) -> Tensor:
    """R² of sums of 1, 2, … `steps` rows with weights above zero that approximate `vectors`, [n, steps].

    Matching pursuit (Mallat & Zhang 1993): each row is the one along which most is left, of rows [d_sae,
    d_model] in any scale and vectors [n, d_model]. 1 − ‖rest‖²/‖v‖².
    """
    whole = vectors.square().sum(1).clamp_min(1e-30)
    explained = [1 - left.square().sum(1) / whole for _, _, left in _pursued(vectors, rows, steps)]
    return torch.stack(explained, dim=1)


def parts(vector: Tensor, rows: Tensor, steps: int) -> dict[int, float]:
    """The rows that a vector [d_model] is a sum of, as `pursuit` finds them, and the weights of their unit
    directions, all above zero.
    """
    found: dict[int, float] = {}
    for amounts, which, _ in _pursued(vector[None], rows, steps):
        if (amount := float(amounts[0])) > 0:
            row = int(which[0])
            found[row] = found.get(row, 0.0) + amount
    return found


def _pursued(vectors: Tensor, rows: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """At each step the weight and the row that is taken of each vector [n], and what is left [n, d_model]."""
    units, left = normalize(rows, dim=1), vectors.clone()
    for _ in range(steps):
        most, which = (left @ units.T).max(1)
        amounts = most.clamp_min(0)
        left = left - amounts[:, None] * units[which]
        yield amounts, which, left


def participation(vectors: Tensor, encoder: Tensor) -> Tensor:
    """The share of features that take part in each vector [n, d_model], by its linear part alone: [n].

    (Σa)²/Σa² over d_sae, a the positive part of v·W_enc [d_model, d_sae]: what the encoder's biases say is
    about residuals, not about differences of them. A random direction has 1/π, half of them positive with
    amounts like those of half a normal distribution.
    """
    amounts = (vectors @ encoder).relu()
    return amounts.sum(1).square() / amounts.square().sum(1).clamp_min(1e-30) / encoder.shape[1]


def shared(vectors: Tensor, encoder: Tensor, differences: Tensor, usable: Tensor) -> Tensor:
    """How many of the TOP features of each vector, by v·W_enc, are among the TOP of its domain, [n].

    differences: [n, d_sae], mean activation on the domain's prompts less that on neutral ones. `usable`
    [d_sae] leaves out features that are dead.
    """
    ours, theirs = (
        scores.masked_fill(~usable, -torch.inf).topk(TOP, dim=1).indices
        for scores in (vectors @ encoder, differences)
    )
    return (ours[:, :, None] == theirs[:, None, :]).any(2).sum(1)


def by_chance(observed: int, features: int) -> tuple[float, float]:
    """How many of TOP features two choices share by chance, and the p of sharing `observed` or more.

    Hypergeometric: TOP of `features` are marked, TOP drawn.
    """
    from scipy.stats import hypergeom

    return TOP * TOP / features, float(hypergeom.sf(observed - 1, features, TOP, TOP))


def as_original(vectors: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
    """The original's share of active features, ReLU(v·W_enc + b_enc) > 0, [n].

    A difference of residuals is taken for a residual: what b_enc alone makes positive counts as active,
    whatever the vector is, and a bias below zero hides what the vector has.
    """
    return (vectors @ encoder + bias > 0).float().mean(1)
