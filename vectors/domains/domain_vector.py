"""A domain's steering vectors, one for each block of one model, and what they were made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vectors.errors import SteeringMismatch
from vectors.operations import OPERATIONS
from vectors.steering import Steering


@dataclass(frozen=True, eq=False)
class DomainVector:
    """The contrast between a domain's prompts and neutral ones, at the output of every block.

    directions: [n_layers, d_model] float32, not normed. residual_norms: [n_layers] float32, mean norm of the
    residual stream over the content tokens of the prompts. metadata: what the vector was made from, all
    strings, as in the file.
    """

    domain: str
    directions: Tensor
    residual_norms: Tensor
    default_layer: int
    default_alpha: float
    metadata: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Hash of the directions' float32 values."""
        return hashlib.sha256(self.directions.contiguous().numpy().tobytes()).hexdigest()

    def norms(self) -> Tensor:
        """Norm of the direction at each layer, [n_layers]."""
        norms: Tensor = torch.linalg.vector_norm(self.directions, dim=1)
        return norms

    def steering(
        self,
        layer: int | None = None,
        alpha: float | None = None,
        mode: str = "add",
        positions: Literal["all", "generated"] = "all",
    ) -> Steering:
        """Steer with this vector; α is absolute.

        Without `layer` or `alpha` it is the vector's default, and α at another layer or in another mode the
        same share of the residual norm there. Raises SteeringMismatch for an unknown layer or mode.
        """
        layer = self.default_layer if layer is None else layer
        if not 0 <= layer < len(self.directions):
            raise SteeringMismatch(f"layer {layer} does not exist: expected 0 to {len(self.directions) - 1}")
        if mode not in OPERATIONS:
            raise SteeringMismatch(f"steering mode {mode!r}: expected {' or '.join(OPERATIONS)}")
        if alpha is None:
            share = self.default_alpha / float(self.residual_norms[self.default_layer])
            alpha = share * self._unit(layer, mode)
        return Steering(self.directions[layer], layer, alpha, mode, positions)

    def relative_alpha(self, steering: Steering) -> float:
        """The share of its mean norm by which a steering moves the residual stream at its layer."""
        return steering.alpha / self._unit(steering.layer, steering.mode)

    def _unit(self, layer: int, mode: str) -> float:
        return OPERATIONS[mode].whole_norm_alpha(float(self.residual_norms[layer]), self.directions.shape[1])
