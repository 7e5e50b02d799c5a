"""What one request asks for: a list of interventions, each of which changes the residual of some tokens.

The tensors are the caller's; nothing here is of one pass or one device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from vectors.errors import SteeringMismatch
from vectors.operations import OPERATIONS, SHARES
from vectors.operations.directions import scaled
from vectors.steering.positions import ALL, Positions
from vectors.steering.terms import NamedCondition, NamedProbe, Span, Strength, Term, Terms

Measure = Literal["projection", "cosine"]
MEASURES: tuple[Measure, ...] = ("projection", "cosine")


@dataclass(frozen=True, eq=False)
class Probe:
    """A direction [d_model] that the residual is read along, as block `layer` (from 0) puts it out, before
    any intervention there. `name` is the direction's.
    """

    vector: Tensor
    layer: int
    name: str = ""

    def validate(self, n_layers: int, d_model: int) -> None:
        """Raise SteeringMismatch unless this fits a model of `n_layers` blocks of width `d_model`."""
        _exists("probe", self.layer, n_layers)
        if self.vector.shape != (d_model,):
            raise SteeringMismatch(f"a probe has shape {list(self.vector.shape)}, expected [{d_model}]")
        if not self.vector.is_floating_point() or not torch.isfinite(self.unit()).all():
            raise SteeringMismatch("a probe must be finite numbers, and not all zero")

    def unit(self) -> Tensor:
        """v/‖v‖ in float32 [d_model]."""
        return scaled(self.vector, 1.0)


@dataclass(frozen=True, eq=False)
class Condition:
    """Holds for a token whose reading is above a threshold, or below it (Lee et al. 2024, arXiv 2409.05907).

    The projection is in units of the residual, the cosine from -1 to 1.
    """

    probe: Probe
    above: bool
    threshold: float
    measure: Measure = "projection"


@dataclass(frozen=True, eq=False)
class Intervention:
    """A change by the direction v/‖v‖ with strength α, at the output of decoder block `layer` (from 0).

    `vector` is [d_model], of any floating dtype and any norm but zero; `operation` names what is done to
    the residual (see `vectors.operations`; some have vectors of another shape), for tokens at `positions`
    for which `when` holds. Interventions after one block follow each other in the list's order.
    `name` is the vector's, for whoever reads what was done.
    """

    vector: Tensor
    layer: int
    alpha: float
    operation: str = "add"
    positions: Positions = ALL
    when: Condition | None = None
    name: str = ""

    def validate(self, n_layers: int, d_model: int) -> None:
        """Raise SteeringMismatch unless this fits a model of `n_layers` blocks of width `d_model`."""
        _exists("steering", self.layer, n_layers)
        if self.operation not in OPERATIONS:
            raise SteeringMismatch(
                f"steering operation {self.operation!r}: expected {' or '.join(OPERATIONS)}"
            )
        if OPERATIONS[self.operation].width(tuple(self.vector.shape)) != d_model:
            raise SteeringMismatch(
                f"steering vector has shape {list(self.vector.shape)}, the model needs [{d_model}]"
                f"{'' if self.operation == 'add' else f' or what {self.operation} says'}; "
                "use a vector that was extracted from this model"
            )
        if not self.vector.is_floating_point():
            raise SteeringMismatch(
                f"steering vector has dtype {self.vector.dtype}, expected a floating dtype"
            )
        if not all(torch.isfinite(each).all() for each in self.parameters()):
            raise SteeringMismatch("steering vector and α must be finite, and the vector not zero")
        if self.when is not None:
            self.when.probe.validate(n_layers, d_model)
            if self.when.probe.layer > self.layer:
                raise SteeringMismatch(
                    f"steering after block {self.layer} cannot hang on a reading after block "
                    f"{self.when.probe.layer}: read at {self.layer} or below"
                )

    def parameters(self) -> tuple[Tensor, ...]:
        """What the operation works with, in float32."""
        return OPERATIONS[self.operation].parameters(self.vector, self.alpha)

    def delta(self) -> Tensor:
        """α·v/‖v‖ in float32 [d_model]: what "add" adds. Zero where α is, not finite where v or α is not."""
        return scaled(self.vector, self.alpha)

    @property
    def idle(self) -> bool:
        """Whether it does nothing whatever it meets, as adding nothing does."""
        return self.alpha == 0 and self.operation in ("add", "multiply", *SHARES)


Steering: TypeAlias = tuple[Intervention, ...]
"""What steers a row; nothing where it is empty."""


def validate(steering: Sequence[Intervention], n_layers: int, d_model: int) -> None:
    """Raise SteeringMismatch unless all of it fits a model of `n_layers` blocks of width `d_model`."""
    for intervention in steering:
        intervention.validate(n_layers, d_model)


def named(steering: Sequence[Intervention]) -> Terms:
    """What a steering says by names, with absolute strengths; a vector without a name is called "vector"."""
    return tuple(
        Term(
            each.name or "vector",
            each.operation,
            Strength(float(f"{each.alpha:.6g}"), "alpha"),
            (Span(each.layer, each.layer),),
            each.positions,
            None if each.when is None else _named_condition(each.when),
        )
        for each in steering
    )


def _named_condition(when: Condition) -> NamedCondition:
    probe = NamedProbe(when.probe.name or "vector", when.probe.layer)
    return NamedCondition(probe, when.above, when.threshold, when.measure == "cosine")


def _exists(what: str, layer: int, n_layers: int) -> None:
    if not isinstance(layer, int) or not 0 <= layer < n_layers:
        raise SteeringMismatch(f"{what} layer {layer} does not exist: expected 0 to {n_layers - 1}")
