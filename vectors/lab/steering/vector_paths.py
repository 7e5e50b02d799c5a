"""Where the vectors of a library lie at every layer: paths on a plane, cosines, norms, and words.

Directions are looked at as unit vectors: their norms grow with the layer as the residual stream's do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vectors.domains.domain_vector import DomainVector
from vectors.lab.steering.lens import Lens, cosine_matrix, logit_lens
from vectors.models.loading import LanguageModel


@dataclass(frozen=True)
class Paths:
    """Two principal components of all vectors at all layers, [vectors][layers] each, and the share of the
    variance that either explains (Pearson 1901).
    """

    first: tuple[tuple[float, ...], ...]
    second: tuple[tuple[float, ...], ...]
    explained: tuple[float, float]


def paths(vectors: Sequence[DomainVector]) -> Paths:
    """The plane in which the unit directions of vectors of one model lie most apart.

    Of either component the sign is the one that makes its largest loading positive, so that the same library
    always gives the same picture.
    """
    units = nn.functional.normalize(torch.stack([each.directions for each in vectors]), dim=-1)
    count, layers, width = units.shape
    points = units.reshape(count * layers, width)
    centred = points - points.mean(0)
    _, sizes, components = torch.linalg.svd(centred, full_matrices=False)
    variances = sizes**2
    total = float(variances.sum()) or 1.0
    drawn: list[Tensor] = []
    shares: list[float] = []
    for number in range(2):
        axis = components[number] if number < len(components) else torch.zeros(width)
        signed = axis * (1.0 if axis[axis.abs().argmax()] >= 0 else -1.0)
        drawn.append((centred @ signed).reshape(count, layers))
        shares.append(float(variances[number]) / total if number < len(variances) else 0.0)
    first, second = (tuple(tuple(row) for row in each.tolist()) for each in drawn)
    return Paths(first, second, (shares[0], shares[1]))


def cosines_by_layer(vectors: Sequence[DomainVector]) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """At every layer the cosine of every pair of vectors, [layers][vectors][vectors]."""
    layers = range(len(vectors[0].directions))
    return tuple(tuple(tuple(row) for row in cosine_matrix(vectors, layer).tolist()) for layer in layers)


def words_by_layer(lm: LanguageModel, vector: DomainVector, k: int) -> tuple[Lens, ...]:
    """What a vector promotes and suppresses at every layer, `k` tokens each."""
    with torch.inference_mode():
        return tuple(logit_lens(lm, direction, k) for direction in vector.directions)
