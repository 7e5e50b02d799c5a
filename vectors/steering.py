"""Steering vectors as data: what one request asks for, and how the tokens of one forward pass are steered.

No hook comes or goes with a request: a pass carries a plan, and after each block the plan changes exactly the
tokens of the rows that steer there. Tokens of rows that do not are never touched. Deltas are scaled in
float32 and cast once to the model's dtype.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vectors.errors import SteeringMismatch, SteeringNotApplied
from vectors.operations import OPERATIONS, Operation


@dataclass(frozen=True, eq=False)
class Steering:
    """One steering: the unit vector v/‖v‖ scaled by α, at the output of decoder block `layer` (from 0).

    `vector` is [d_model], of any floating dtype and any norm but zero; `mode` is the name of the operation
    (see `vectors.operations`) that changes the residual by it. With `positions="generated"` the prompt's own
    positions stay as they are, and with them the first new token.
    """

    vector: Tensor
    layer: int
    alpha: float
    mode: str = "add"
    positions: Literal["all", "generated"] = "all"

    def validate(self, n_layers: int, d_model: int) -> None:
        """Raise SteeringMismatch unless this fits a model of `n_layers` blocks of width `d_model`."""
        if not isinstance(self.layer, int) or not 0 <= self.layer < n_layers:
            raise SteeringMismatch(
                f"steering layer {self.layer} does not exist: expected 0 to {n_layers - 1}"
            )
        if self.vector.shape != (d_model,):
            raise SteeringMismatch(
                f"steering vector has shape {list(self.vector.shape)}, the model needs [{d_model}]; "
                "use a vector that was extracted from this model"
            )
        if not self.vector.is_floating_point():
            raise SteeringMismatch(
                f"steering vector has dtype {self.vector.dtype}, expected a floating dtype"
            )
        if self.mode not in OPERATIONS or self.positions not in ("all", "generated"):
            raise SteeringMismatch(
                f"steering mode {self.mode!r} on positions {self.positions!r}: "
                f"expected {' or '.join(OPERATIONS)}, on all or generated"
            )
        if not torch.isfinite(self.delta()).all():
            raise SteeringMismatch("steering vector and α must be finite, and the vector not zero")

    def delta(self) -> Tensor:
        """α·v/‖v‖ in float32 [d_model]: zero where α is zero, not finite where v or α is not."""
        vector = self.vector.detach().float()
        if self.alpha == 0 and not vector.any():
            return torch.zeros_like(vector)
        # Scaled by the largest entry first: the square of a large entry would overflow to a silent zero.
        scaled = vector / vector.abs().max()
        delta: Tensor = scaled * (self.alpha / torch.linalg.vector_norm(scaled))
        return delta


@dataclass(frozen=True, eq=False)
class RowSteering:
    """A steering as one row uses it: `delta` [d_model] in the model's dtype, from position `start` on.

    Rows with equal keys steer alike.
    """

    layer: int
    mode: str
    start: int
    delta: Tensor
    key: bytes

    @classmethod
    def of(
        cls, steering: Steering | None, prompt_len: int, dtype: torch.dtype, device: torch.device
    ) -> "RowSteering | None":
        """The row's steering, or None where it changes nothing: α = 0 is the same as no steering."""
        if steering is None or steering.alpha == 0:
            return None
        start = prompt_len if steering.positions == "generated" else 0
        delta = steering.delta().to(device=device, dtype=dtype)
        content = delta.cpu().view(torch.uint8).numpy().tobytes()
        key = f"{steering.layer} {steering.mode} {start} ".encode() + content
        return cls(steering.layer, steering.mode, start, delta, key)


class SteeringPlan:
    """Which tokens of one pass are steered after which block, and by what.

    `spans` gives for each piece of the pass its steering, the index of its first token in the pass, that
    token's position in the row, and the number of its tokens.
    """

    def __init__(
        self, spans: Sequence[tuple[RowSteering | None, int, int, int]], device: torch.device
    ) -> None:
        found: dict[tuple[int, str], tuple[list[int], list[Tensor]]] = {}
        for steering, first, position, count in spans:
            if steering is None or position + count <= steering.start:
                continue
            spared = max(0, steering.start - position)
            tokens, deltas = found.setdefault((steering.layer, steering.mode), ([], []))
            tokens.extend(range(first + spared, first + count))
            deltas.append(steering.delta.expand(count - spared, -1))
        self._actions: dict[int, list[tuple[Operation, Tensor, Tensor]]] = {}
        for (layer, mode), (tokens, deltas) in found.items():
            action = (OPERATIONS[mode], torch.tensor(tokens, device=device), torch.cat(deltas))
            self._actions.setdefault(layer, []).append(action)
        self._missing = set(self._actions)

    def touches(self, layer: int) -> bool:
        """Whether a token is steered after a block."""
        return layer in self._actions

    def apply(self, layer: int, hidden: Tensor) -> Tensor:
        """Steer the output [tokens, d_model] of a block in place, and return it."""
        for operation, tokens, deltas in self._actions.get(layer, ()):
            if hidden.shape[-1] != deltas.shape[-1]:
                raise SteeringNotApplied(
                    f"block {layer} returned width {hidden.shape[-1]}, the steering has {deltas.shape[-1]}"
                )
            # Each token stands once in an action, so the order of the additions cannot matter.
            change = operation.change(hidden[tokens], deltas)
            hidden.index_add_(0, tokens, change.to(hidden.dtype))  # some keep their residual in float32
        self._missing.discard(layer)
        return hidden

    def check(self) -> None:
        """Raise SteeringNotApplied unless every block that had to be steered was."""
        if self._missing:
            raise SteeringNotApplied(
                f"the forward pass did not steer layers {sorted(self._missing)}; discard its output"
            )
