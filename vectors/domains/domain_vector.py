"""A domain's steering vectors, one for each block of one model, and what they were made from."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from vectors.domains import defaults
from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL, OPERATIONS, SHARES
from vectors.steering.intervention import Condition, Intervention
from vectors.steering.positions import ALL, Positions

Dosing: TypeAlias = Callable[["DomainVector", int, str], float | None]
"""Finds the α of a vector at a layer for an operation by what it does to plain text; None where nothing can
be measured (see `vectors.measuring.dosing`)."""


@dataclass(frozen=True, eq=False)
class DomainVector:
    """The contrast between a domain's prompts and neutral ones, at the output of every block.

    directions: [n_layers, d_model] float32, not normed. residual_norms: [n_layers] float32, mean norm of the
    residual stream over the content tokens of the prompts. spreads: [n_layers] float32, how far it lies from
    its mean there, of which strengths are shares: most of the norm is the same for all tokens.
    default_alpha: as whoever brought the vector says, None for one that is extracted here. metadata: what the
    vector was made from, all strings, as in the file. `file` is where it lies, beside which its doses are
    kept.
    """

    domain: str
    directions: Tensor
    residual_norms: Tensor
    spreads: Tensor
    default_layer: int
    default_alpha: float | None
    metadata: Mapping[str, str]
    file: Path | None = None
    dosing: Dosing | None = None

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

        Without `layer` it is the vector's default. Without `alpha` it is what the vector came with, and the
        same share at another layer or of another operation; else the dose at that place, which may have to be
        measured first and takes seconds; else, where nothing measures, `defaults.SHARE`. Raises
        SteeringMismatch for an unknown layer or operation, and for one that needs more than a direction.
        """
        layer = self.default_layer if layer is None else layer
        if not 0 <= layer < len(self.directions):
            raise SteeringMismatch(f"layer {layer} does not exist: expected 0 to {len(self.directions) - 1}")
        if operation not in DIRECTIONAL:
            raise SteeringMismatch(f"steering operation {operation!r}: expected {' or '.join(DIRECTIONAL)}")
        if alpha is None:
            alpha = self._own_alpha(layer, operation)
        return Intervention(self.directions[layer], layer, alpha, operation, positions, when, self.domain)

    def at_share(self, layer: int, share: float, operation: str = "add") -> float:
        """The α that moves the residual stream at a layer by a share of its spread there."""
        return share * self._unit(layer, operation)

    def relative_alpha(self, steering: Intervention) -> float:
        """The share of its spread by which a steering moves the residual stream at its layer."""
        return steering.alpha / self._unit(steering.layer, steering.operation)

    def _own_alpha(self, layer: int, operation: str) -> float:
        if self.default_alpha is not None:
            if (layer, operation) == (self.default_layer, "add"):
                return self.default_alpha
            share = self.default_alpha / float(self.spreads[self.default_layer])
            return 1.0 if operation in SHARES else self.at_share(layer, share, operation)
        found = self.dosing(self, layer, operation) if self.dosing else None
        if found is not None:
            return found
        return 1.0 if operation in SHARES else self.at_share(layer, defaults.SHARE, operation)

    def _unit(self, layer: int, operation: str) -> float:
        return OPERATIONS[operation].whole_norm_alpha(float(self.spreads[layer]), self.directions.shape[1])
