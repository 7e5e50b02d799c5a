"""A domain's steering vectors, one for each block of one model, and what they were made from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL, OPERATIONS, SHARES
from vectors.steering.intervention import Condition, Intervention
from vectors.steering.positions import ALL, Positions


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

    def intervention(
        self,
        layer: int | None = None,
        alpha: float | None = None,
        operation: str = "add",
        positions: Positions = ALL,
        when: Condition | None = None,
    ) -> Intervention:
        """Steer with this vector; α is absolute.

        Without `layer` or `alpha` it is the vector's default, and α at another layer or of another operation
        the same share of the residual norm there. Raises SteeringMismatch for an unknown layer or operation,
        and for one that needs more than a direction.
        """
        layer = self.default_layer if layer is None else layer
        if not 0 <= layer < len(self.directions):
            raise SteeringMismatch(f"layer {layer} does not exist: expected 0 to {len(self.directions) - 1}")
        if operation not in DIRECTIONAL:
            raise SteeringMismatch(f"steering operation {operation!r}: expected {' or '.join(DIRECTIONAL)}")
        if alpha is None:
            share = self.default_alpha / float(self.residual_norms[self.default_layer])
            alpha = 1.0 if operation in SHARES else share * self._unit(layer, operation)
        return Intervention(self.directions[layer], layer, alpha, operation, positions, when, self.domain)

    def at_share(self, layer: int, share: float, operation: str = "add") -> float:
        """The α that moves the residual stream at a layer by a share of its mean norm."""
        return share * self._unit(layer, operation)

    def relative_alpha(self, steering: Intervention) -> float:
        """The share of its mean norm by which a steering moves the residual stream at its layer."""
        return steering.alpha / self._unit(steering.layer, steering.operation)

    def _unit(self, layer: int, operation: str) -> float:
        norm = float(self.residual_norms[layer])
        return OPERATIONS[operation].whole_norm_alpha(norm, self.directions.shape[1])
