"""Steering by names: what a person, a request or a manifest says, before vectors are looked up.

A term is a value without tensors, so that it can be compared, written down and checked before a model is
loaded. `vectors.steering.text` is its text form.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, get_args

from vectors.errors import SteeringMismatch
from vectors.operations import OPERATIONS
from vectors.steering.positions import ALL, Positions

Unit = Literal["alpha", "share", "dose"]
Profile = Literal["flat", "even", "peak"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
MOST_INTERVENTIONS = 256
"""Of one steering, over all its layers."""


@dataclass(frozen=True)
class Strength:
    """α itself, a share of the residual's spread at the layer, or a multiple of the vector's own strength."""

    value: float = 1.0
    unit: Unit = "dose"

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise SteeringMismatch(f"a strength of {self.value} steers nothing: expected a finite number")


@dataclass(frozen=True)
class Span:
    """Blocks `first` to `last`, and how the strength is spread over them.

    "flat" gives each all of it, "even" each the same part so that they add up to it, and "peak" all of it to
    the middle and less to both sides, in proportion.
    """

    first: int
    last: int
    profile: Profile = "flat"

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise SteeringMismatch(f"layers {self.first}..{self.last}: expected the lower one first, from 0")

    def weights(self) -> Iterator[tuple[int, float]]:
        """Each layer with its share of the strength."""
        count = self.last - self.first + 1
        for number in range(count):
            near = 1 - abs(2 * number - (count - 1)) / (count + 1)
            weight = {"flat": 1.0, "even": 1 / count, "peak": near}[self.profile]
            yield self.first + number, weight


@dataclass(frozen=True)
class NamedProbe:
    """The reading of a vector by its name, after a block."""

    vector: str
    layer: int


@dataclass(frozen=True)
class NamedCondition:
    """What a reading has to be."""

    probe: NamedProbe
    above: bool
    threshold: float
    cosine: bool = False


@dataclass(frozen=True)
class Term:
    """One vector's steering; without layers at the vector's own."""

    vector: str
    operation: str = "add"
    strength: Strength = Strength()
    layers: tuple[Span, ...] = ()
    positions: Positions = ALL
    when: NamedCondition | None = None

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise SteeringMismatch(
                f"there is no operation {self.operation!r}: expected {' or '.join(OPERATIONS)}"
            )
        if not self.vector.strip() or '"' in self.vector or "\n" in self.vector:
            raise SteeringMismatch(f"{self.vector!r} is no name of a vector")
        if sum(span.last - span.first + 1 for span in self.layers) > MOST_INTERVENTIONS:
            raise SteeringMismatch(f"a steering may have {MOST_INTERVENTIONS} interventions, one a layer")


Terms = tuple[Term, ...]


def names_in(terms: Terms) -> list[str]:
    """The vectors that terms name, each once."""
    named = [[term.vector, *([term.when.probe.vector] if term.when else [])] for term in terms]
    return list(dict.fromkeys(chain.from_iterable(named)))
