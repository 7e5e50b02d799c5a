"""A request's interventions as one row uses them, and which of its tokens they touch.

What a row's tokens were steered by tells which of their keys and values another row may use: see `Touched`.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vectors.operations import OPERATIONS
from vectors.steering.intervention import Condition, Intervention
from vectors.steering.positions import All, Layout, Positions

UNTOUCHED: int = np.iinfo(np.int64).max
_SECRET = secrets.token_bytes(32)  # nobody can look for two interventions of one mark


class Touched(NamedTuple):
    """What is done to tokens, [tokens] each: equal `marks` for those that are steered alike, 0 for none, and
    in `lowest` the lowest block whose output is changed, or decides, for a token up to this one.
    """

    marks: NDArray[np.int64]
    lowest: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RowIntervention:
    """An intervention with its parameters, [1, …] each in float32 on the model's device.

    `step` counts those before it after the same block, `width` is the residual's that it is for. `held` notes
    for places of the row whether the condition held there; it stays empty where there is none.
    """

    layer: int
    step: int
    operation: str
    width: int
    parameters: tuple[Tensor, ...]
    positions: Positions
    when: Condition | None
    key: bytes
    held: dict[int, bool] = field(default_factory=dict)

    @property
    def lowest(self) -> int:
        """The lowest block whose output it reads or changes."""
        return self.when.probe.layer if self.when else self.layer

    @property
    def everywhere(self) -> bool:
        """Whether it touches every token there is."""
        return isinstance(self.positions, All)


@dataclass(frozen=True, eq=False)
class RowSteering:
    """All interventions of a row, in their order; false where there are none."""

    interventions: tuple[RowIntervention, ...] = ()
    layout: Layout = field(default_factory=lambda: Layout(0))

    @classmethod
    def of(cls, steering: Sequence[Intervention], layout: Layout, device: torch.device) -> "RowSteering":
        """What is left of a steering without those that do nothing: α = 0 adds nothing."""
        steps: dict[int, int] = {}
        found = []
        conditions: dict[int, Condition] = {}
        for each in steering:
            if each.idle:
                continue
            parameters = tuple(part.to(device).unsqueeze(0) for part in each.parameters())
            step = steps[each.layer] = steps.get(each.layer, -1) + 1
            when = each.when and conditions.setdefault(id(each.when), _on(each.when, device))
            key = _key(each, parameters)
            width = OPERATIONS[each.operation].width(tuple(each.vector.shape)) or 0
            found.append(
                RowIntervention(
                    each.layer, step, each.operation, width, parameters, each.positions, when, key
                )
            )
        return cls(tuple(found), layout)

    def __bool__(self) -> bool:
        return bool(self.interventions)

    def without(self) -> "RowSteering":
        """A row of the same tokens that nothing steers."""
        return replace(self, interventions=())

    def chosen(self, tokens: Sequence[int], start: int) -> list[NDArray[np.bool_] | None]:
        """For each intervention which of the tokens, the first at place `start`, it is for; None for all."""
        ids, places = np.asarray(tokens, dtype=np.int64), np.arange(start, start + len(tokens))
        return [
            None if each.everywhere else each.positions.holds(ids, places, self.layout)
            for each in self.interventions
        ]

    def touched(self, tokens: Sequence[int]) -> Touched:
        """What is done to a row's first tokens."""
        marks = np.zeros(len(tokens), dtype=np.int64)
        lowest = np.full(len(tokens), UNTOUCHED)
        if self.interventions and len(tokens):
            chosen = np.stack(
                [
                    np.ones(len(tokens), dtype=np.bool_) if each is None else each
                    for each in self.chosen(tokens, 0)
                ]
            )
            for intervention, its in zip(self.interventions, chosen, strict=True):
                lowest[its] = np.minimum(lowest[its], intervention.lowest)
            kinds, kind_of = np.unique(chosen, axis=1, return_inverse=True)
            marks = np.array([self._mark(kind) for kind in kinds.T])[kind_of.reshape(-1)]
        return Touched(marks, np.minimum.accumulate(lowest))

    def changed(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """How many of a row's first tokens each intervention has changed."""
        return tuple(
            sum(each.held.values()) if each.when else len(tokens) if its is None else int(its.sum())
            for each, its in zip(self.interventions, self.chosen(tokens, 0), strict=True)
        )

    def forget(self, places: Iterable[int]) -> None:
        """Forget what conditions said at places whose tokens have turned out not to be the row's."""
        for each in self.interventions:
            for place in places:
                each.held.pop(place, None)

    def _mark(self, kind: NDArray[np.bool_]) -> int:
        if not kind.any():
            return 0
        digest = hashlib.blake2b(key=_SECRET, digest_size=8)
        # Only after one and the same block does it matter what comes first.
        done = [each for each, its in zip(self.interventions, kind, strict=True) if its]
        for intervention in sorted(done, key=lambda each: each.layer):
            digest.update(intervention.key)
        return int.from_bytes(digest.digest(), "big", signed=True) or 1


def _on(when: Condition, device: torch.device) -> Condition:
    """The condition with its direction's unit vector on a device."""
    return replace(when, probe=replace(when.probe, vector=when.probe.unit().to(device)))


def _key(intervention: Intervention, parameters: Sequence[Tensor]) -> bytes:
    """Equal for interventions that do the same to a token they are for."""
    digest = hashlib.blake2b(f"{intervention.layer} {intervention.operation}".encode(), digest_size=32)
    for part in parameters:
        digest.update(part.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    if when := intervention.when:
        digest.update(f"{when.probe.layer} {when.above} {when.threshold!r} {when.measure}".encode())
        digest.update(when.probe.unit().cpu().numpy().tobytes())
    return digest.digest()
