"""An unsteered twin beside a steered row: it is given the row's tokens, and tells how far apart the two are.

The twin is a row of the same batch that chooses nothing. Once it has the prompt it follows in stretches: many
tokens in one pass cost little more than one, so a row with a twin decodes about as fast as one without.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vectors.engine.row import Row
from vectors.errors import GenerationFault

_STRETCH = 16
_LOGITS = 1 << 20
"""Logits of a stretch, whatever the vocabulary: 4 MiB, of which a row holds two."""


def twin_of(row: Row) -> Row:
    """The row's twin, which runs until it has been wherever the row was."""
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


def stretch(vocabulary: int) -> int:
    """How many tokens a twin takes at once."""
    return max(1, min(_STRETCH, _LOGITS // vocabulary))


def held(row: Row, end: int, stretch: int) -> int:
    """How far of `end` a row may come in a pass: its twin in whole stretches, it no more than two ahead."""
    before = row.prompt_len - 1
    if row.twin is not None:
        return min(end, max(row.computed, before, row.twin.reaches) + 2 * stretch)
    if row.leads is None:
        return end
    if row.computed < before:
        return min(end, before)
    been = min(end, before + row.leads.new_tokens)
    return been if row.leads.finished or been - row.computed >= stretch else row.computed


def through(row: Row) -> bool:
    """Whether nothing more is wanted of a row that has ended: no token, and no comparison with its twin."""
    if row.twin is None or row.error is not None:
        return row.finished
    return row.finished and len(row.divergences) >= row.new_tokens


def meet(row: Row, logits: Mapping[int, Tensor], *, steered: bool) -> None:
    """Take places of a row or of its twin by their logits [vocab]: who comes second to one tells how far the
    two are apart there, KL(steered‖unsteered) in bits. A row that nothing steers has no twin, and is not.
    """
    if row.twin is None:
        row.divergences += [0.0] * len(logits)
        return
    if not logits:
        return
    made = torch.log_softmax(torch.stack([logits[place] for place in sorted(logits)]), dim=-1)
    pairs = []
    for place, each in zip(sorted(logits), made, strict=True):
        other = row.met.pop(place, None)
        if other is None:
            row.met[place] = each
        else:
            pairs.append((each, other) if steered else (other, each))
    if pairs:
        ours, bare = (torch.stack(side) for side in zip(*pairs, strict=True))
        apart = torch.nn.functional.kl_div(bare, ours, log_target=True, reduction="none").sum(-1)
        if not bool(apart.isfinite().all()):
            row.end(error=GenerationFault("the logits of a row or of its unsteered twin are not finite"))
        row.divergences += (apart.clamp_min_(0.0) / math.log(2)).tolist()
