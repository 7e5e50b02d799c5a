"""What a steering does to the residual stream: one module an operation, by the name that `Steering.mode` has.

The engine, the HTTP schema, the command line and the formats of files ask here. A new operation is a module
with the two functions of `Operation` and a line in OPERATIONS; tests/vectors/operations asks for its formula.
Nothing here needs torch before it steers, so that a list of names costs nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from vectors.operations import add, multiply

if TYPE_CHECKING:
    from torch import Tensor


class Operation(Protocol):
    """What one module of this package provides, as functions."""

    def change(self, hidden: "Tensor", delta: "Tensor") -> "Tensor":
        """What is added to the tokens' residuals `hidden` [tokens, d_model] by `delta` = α·v/‖v‖ of each
        token's row, likewise [tokens, d_model]; neither is changed. It must be finite where both are small.
        """

    def whole_norm_alpha(self, residual_norm: float, d_model: int) -> float:
        """The α that moves a residual of that norm by about its whole norm; others are shares of it."""


OPERATIONS: Mapping[str, Operation] = {"add": add, "multiply": multiply}
