"""An unsteered twin beside a steered row: it is given the row's tokens, and tells how far apart the two are.

The twin is a row of the same batch that chooses nothing. It is never behind: a row computes a place from
which a new token is drawn only where its twin has done so, or does so in the same pass.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vectors.engine.row import Row
from vectors.errors import GenerationFault


def twin_of(row: Row) -> Row:
    """The row's twin, which runs as long as the row does."""
    twin = Row(
        prompt_len=row.prompt_len,
        known=list(row.known),
        steering=row.steering.without(),
        sampling=row.sampling,
        sampler=row.sampler,
        stream=row.stream,
        owner=row.owner,
        public_tokens=row.public_tokens,
        leads=row,
    )
    row.twin = twin
    return twin


def held(row: Row, end: int) -> int:
    """How far a row may come in a pass in which its twin has a piece already, or none."""
    twin = row.twin
    if twin is None:
        return end
    return min(end, max(row.computed, row.prompt_len - 1, twin.reaches))


def keep(twin: Row, logits: Mapping[int, Tensor]) -> None:
    """Keep what a twin makes of places, by their logits [vocab], until its row gets there."""
    assert twin.leads is not None
    for place, each in logits.items():
        twin.leads.unsteered[place] = torch.log_softmax(each, dim=-1)


def compare(row: Row, logits: Mapping[int, Tensor]) -> None:
    """Note KL(steered‖unsteered) in bits for places of a row that has a twin, or is steered by nothing."""
    for place in sorted(logits):
        if row.twin is None:
            row.divergences.append(0.0)
            continue
        if place not in row.unsteered:
            row.end(error=row.twin.error or GenerationFault("the unsteered twin was not computed"))
            return
        steered = torch.log_softmax(logits[place], dim=-1)
        apart = torch.nn.functional.kl_div(
            row.unsteered.pop(place), steered, log_target=True, reduction="sum"
        )
        row.divergences.append(max(0.0, float(apart)) / math.log(2))
