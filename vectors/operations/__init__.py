"""What an intervention does to the residual stream: one module an operation, by its name.

The engine, the HTTP schema, the command line and the formats of files ask here. A new operation is a module
with the functions of `Operation` and a line in OPERATIONS; tests/vectors/operations asks for its formula.
Nothing here needs torch before it steers, so that a list of names costs nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from vectors.operations import ablate, add, cap, clamp, feature, floor, low_rank, multiply, replace

if TYPE_CHECKING:
    from torch import Tensor


class Operation(Protocol):
    """What one module of this package provides, as functions."""

    def parameters(self, vector: "Tensor", alpha: float, /) -> "tuple[Tensor, ...]":
        """What `change` works with, made of a float32 `vector` [d_model], or of what else the operation says
        that its vector is. Not finite where the vector or α is not. Raises SteeringMismatch for a vector that
        is not of the operation's shape.
        """

    def width(self, shape: tuple[int, ...], /) -> int | None:
        """The d_model that a vector of this shape is for; None for a shape that is no vector's of it."""

    def change(self, hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
        """What is added to the tokens' residuals `hidden` [tokens, d_model], of which each has its row of
        every parameter [tokens or 1, …]; nothing given is changed. Finite where all of it is small.
        """

    def whole_norm_alpha(self, residual_norm: float, d_model: int, /) -> float:
        """The α that moves a residual of that norm by about its whole norm; others are shares of it."""


OPERATIONS: Mapping[str, Operation] = {
    "add": add,
    "multiply": multiply,
    "ablate": ablate,
    "replace": replace,
    "cap": cap,
    "floor": floor,
    "clamp": clamp,
    "low_rank": low_rank,
    "feature": feature,
}
SHARES = ("ablate", "low_rank")
"""The operations of which α is the share that is done: 1 is all of it, and the usual."""
BOUNDS = ("cap", "clamp")
"""The operations of which a smaller α does more."""
DIRECTIONAL = tuple(name for name in OPERATIONS if name not in ("low_rank", "feature"))
"""The operations whose vector is a direction, so that any domain's will do."""
