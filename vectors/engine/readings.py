"""What a request wants to know of the residual stream while its row runs, and what was found.

A place of a row is read as a block puts it out, before any intervention there. The first new token is drawn
from the place of the prompt's last one, so that readings from there on belong to the new tokens, one each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vectors.engine.budget import Guide
from vectors.errors import InvalidRequest
from vectors.operations.directions import projection
from vectors.steering.intervention import Probe
from vectors.steering.positions import Layout, Positions

_MOST_VALUES = 1 << 24
"""Of the hidden states that one request may have kept, 64 MiB."""


class Reading(NamedTuple):
    """How far a residual goes along a probe's direction, in its own units, and their cosine."""

    projection: float
    cosine: float


@dataclass(frozen=True)
class StatesWanted:
    """The residuals after some blocks, at some places."""

    layers: tuple[int, ...]
    positions: Positions


@dataclass(frozen=True, eq=False)
class States:
    """The `places` of a row that were kept, and by layer their residuals [places, d_model] in float32."""

    places: tuple[int, ...]
    by_layer: Mapping[int, Tensor]


@dataclass(eq=False)
class RowReadings:
    """What a row wants read, on the model's device, and what was found, by place."""

    probes: tuple[Probe, ...]
    first: int
    wanted: StatesWanted | None
    layout: Layout
    guide: Guide | None = None
    found: list[dict[int, Reading]] = field(default_factory=list)
    kept: dict[int, dict[int, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        probes: Sequence[Probe],
        wanted: StatesWanted | None,
        layout: Layout,
        device: torch.device,
        *,
        with_prompt: bool,
        guide: Guide | None = None,
    ) -> "RowReadings | None":
        """What is asked for; None where nothing is."""
        if not probes and wanted is None and guide is None:
            return None
        units = tuple(replace(probe, vector=probe.unit().to(device)) for probe in probes)
        first = 0 if with_prompt else layout.prompt_len - 1
        return cls(units, first, wanted, layout, guide, [{} for _ in units])

    @property
    def layers(self) -> set[int]:
        """The blocks whose output is read."""
        guided = {self.guide.layer} if self.guide else set()
        return (
            guided | {probe.layer for probe in self.probes} | {*(self.wanted.layers if self.wanted else ())}
        )

    def lowest(self, tokens: Sequence[int]) -> int | None:
        """The lowest block after which one of the row's first tokens is to be read; None if none is."""
        layers = [probe.layer for probe in self.probes] if self.first < len(tokens) else []
        if self.wanted is not None and self._places(tokens, 0):
            layers += self.wanted.layers
        return min(layers, default=None)

    def read(self, layer: int, start: int, tokens: Sequence[int], hidden: Tensor) -> None:
        """Note what is wanted of a block's output [tokens, d_model] for the `tokens` from place `start`."""
        if self.guide is not None and layer == self.guide.layer:
            self.guide.read(hidden[-1])
        skipped = max(0, self.first - start)
        for probe, found in zip(self.probes, self.found, strict=True):
            if probe.layer != layer or skipped >= len(tokens):
                continue
            its = hidden[skipped:].float()
            along = projection(its, probe.vector).squeeze(1)
            norms = torch.linalg.vector_norm(its, dim=-1).clamp_min(torch.finfo(its.dtype).tiny)
            pairs = zip(along.tolist(), (along / norms).tolist(), strict=True)
            found.update((start + skipped + i, Reading(*pair)) for i, pair in enumerate(pairs))
        if self.wanted is not None and layer in self.wanted.layers:
            kept = self.kept.setdefault(layer, {})
            for place in self._places(tokens, start):
                kept[place] = hidden[place - start].float().clone()
            values = sum(map(len, self.kept.values())) * hidden.shape[-1]
            if values > _MOST_VALUES:
                raise InvalidRequest(
                    f"the hidden states asked for are more than {_MOST_VALUES} numbers: ask for fewer places "
                    "or layers"
                )

    def states(self) -> States | None:
        """The hidden states that were kept."""
        if self.wanted is None:
            return None
        places = sorted({place for kept in self.kept.values() for place in kept})
        return States(
            tuple(places),
            {
                layer: torch.stack([kept[at] for at in places]).cpu()
                for layer, kept in self.kept.items()
                if kept
            },
        )

    def readings(self) -> tuple[tuple[Reading, ...], ...]:
        """For each probe the readings from place `first` on."""
        return tuple(tuple(found[place] for place in sorted(found)) for found in self.found)

    def _places(self, tokens: Sequence[int], start: int) -> list[int]:
        assert self.wanted is not None
        places = np.arange(start, start + len(tokens))
        ids = np.asarray(tokens, dtype=np.int64)
        chosen: list[int] = places[self.wanted.positions.holds(ids, places, self.layout)].tolist()
        return chosen
