"""What a direction means: the tokens it promotes, and how near it is to other directions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vectors.domains.domain_vector import DomainVector
from vectors.models.blocks import final_norm, unembedding
from vectors.models.loading import LanguageModel
from vectors.models.norms import norm_scale


@dataclass(frozen=True)
class Lens:
    """Tokens whose logits a direction raises and lowers most, strongest first.

    The z-scores say by how much: standard deviations from the mean over the vocabulary, which compares layers
    whose directions have different norms.
    """

    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    promoted_z: tuple[float, ...]
    suppressed_z: tuple[float, ...]


def logit_lens(lm: LanguageModel, direction: Tensor, k: int) -> Lens:
    """Read a direction [d_model] through the unembedding: W_U · (w_norm ⊙ v), top and bottom k tokens.

    (nostalgebraist 2020, applied to a vector instead of a residual.)
    """
    matrix = unembedding(lm.model)
    scaled = norm_scale(final_norm(lm.model), lm.d_model) * direction.to(matrix.device)
    logits = (matrix @ scaled.to(matrix.dtype)).float()[: len(lm.tokenizer)]

    scores = (logits - logits.mean()) / logits.std()
    top, bottom = scores.topk(k), (-scores).topk(k)

    def texts(ids: Tensor) -> tuple[str, ...]:
        return tuple(map(lm.tokenizer.spelled, ids.tolist()))

    z = tuple(top.values.tolist()), tuple((-bottom.values).tolist())
    return Lens(texts(top.indices), texts(bottom.indices), *z)


def cosine_matrix(vectors: Sequence[DomainVector], layer: int) -> Tensor:
    """Cosine of every pair of vectors at a layer, [n, n]."""
    units = nn.functional.normalize(torch.stack([vector.directions[layer] for vector in vectors]), dim=1)
    return units @ units.T


def cosines(vector: DomainVector, others: Sequence[DomainVector], layer: int) -> dict[str, float]:
    """Cosine of a vector to each of the others at a layer, by domain, nearest first."""
    if not others:
        return {}
    row = cosine_matrix([vector, *others], layer)[0, 1:].tolist()
    named = zip((other.domain for other in others), row, strict=True)
    return dict(sorted(named, key=lambda item: -item[1]))
