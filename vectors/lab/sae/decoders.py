"""Which features' decoder directions are near a vector, and how near chance comes among as many."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RANDOMS = 200


@dataclass(frozen=True)
class Near:
    """The number of a feature, its cosine to the vector, and how many of RANDOMS random directions have a
    feature among all that is as near: p is (1 + so many) / (1 + RANDOMS).
    """

    number: int
    cosine: float
    p: float


def nearest(vector: Tensor, decoders: Sequence[Sequence[float]], top: int, seed: int) -> list[Near]:
    """The features nearest to a vector [d_model] by the size of their cosine, nearest first."""
    rows = torch.nn.functional.normalize(torch.tensor(decoders, dtype=torch.float32), dim=1)
    found = rows @ torch.nn.functional.normalize(vector.float(), dim=0)
    draw = torch.Generator().manual_seed(seed)
    random = torch.nn.functional.normalize(torch.randn(RANDOMS, rows.shape[1], generator=draw), dim=1)
    highest = torch.stack([(rows @ each).abs().max() for each in random])
    chosen = found.abs().topk(min(top, len(rows))).indices.tolist()
    return [
        Near(number, float(found[number]), (1 + int((highest >= found[number].abs()).sum())) / (1 + RANDOMS))
        for number in chosen
    ]
