"""Of which features one vector is a sum."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vectors.lab.sae.decomposing import FEW, STEPS
from vectors.lab.sae.diffuseness import parts, pursuit
from vectors.lab.sae.folders import alive, frequencies_of
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.targeted import cosine

_RANDOM = 64


@dataclass(frozen=True)
class Part:
    """A feature in a vector: the weight of its unit direction in the sum, the cosine of both, and at what
    share of tokens it is active, where that is known.
    """

    feature: int
    weight: float
    cosine: float
    frequency: float | None


@dataclass(frozen=True)
class Parts:
    """The FEW features of a vector with weights above zero, the largest first; R² by their number, STEPS, and
    what FEW of them explain of random directions.
    """

    explained: dict[int, float]
    random_few: float
    parts: tuple[Part, ...]


def take_apart(folder: Path, sae: Linear, vector: Tensor) -> Parts:
    """Decompose a vector [d_model] into features of the autoencoder of a folder, those that never are active
    left out. Raises SaeError.
    """
    usable, often = alive(folder, sae.w_dec), frequencies_of(folder)
    numbers, rows = usable.nonzero()[:, 0].tolist(), sae.w_dec[usable]
    r2 = pursuit(vector[None], rows, max(STEPS))[0]
    random = torch.randn(_RANDOM, len(vector), generator=torch.Generator().manual_seed(0))
    found = [
        Part(
            feature=numbers[row],
            weight=weight,
            cosine=cosine(vector, rows[row]),
            frequency=None if often is None else float(often[numbers[row]]),
        )
        for row, weight in parts(vector, rows, FEW).items()
    ]
    return Parts(
        explained={steps: float(r2[steps - 1]) for steps in STEPS},
        random_few=float(pursuit(random, rows, FEW)[:, -1].mean()),
        parts=tuple(sorted(found, key=lambda part: -part.weight)),
    )
