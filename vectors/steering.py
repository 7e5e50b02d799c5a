"""Steering vectors as data: what one request asks for, and the table that applies a batch of them.

The hooks of a SteeringTable stay on the blocks for good and read a preallocated table, so that steering one
generation never adds or removes a hook while another runs. Each row of a batch has its own vector, layer, α
and mode, or none. Deltas are scaled in float32 and cast once to the model's dtype.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from vectors.blocks import d_model, decoder_blocks, residual, with_residual
from vectors.errors import SteeringMismatch, SteeringNotApplied


@dataclass(frozen=True, eq=False)
class Steering:
    """One steering: the unit vector v/‖v‖ scaled by α, at the output of decoder block `layer` (from 0).

    `add`: h' = h + α·v/‖v‖ (activation addition, Turner et al. 2023, arXiv 2308.10248).
    `multiply`: h' = h ⊙ (1 + α·v/‖v‖).
    `vector` is [d_model], of any floating dtype and any norm but zero. With `positions="generated"` the
    prompt's own positions stay as they are, and with them the first new token.
    """

    vector: Tensor
    layer: int
    alpha: float
    mode: Literal["add", "multiply"] = "add"
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
        if self.mode not in ("add", "multiply") or self.positions not in ("all", "generated"):
            raise SteeringMismatch(
                f"steering mode {self.mode!r} on positions {self.positions!r}: "
                "expected add or multiply, on all or generated"
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


class _Row(NamedTuple):
    """A steered row of the batch, and the first position it touches."""

    layer: int
    multiply: bool
    start: int


class _Action(NamedTuple):
    """What one block does in one forward pass: `where` [rows, seq, 1] bounds it, None means everywhere."""

    multiply: bool
    where: Tensor | None


class _Pass(threading.local):
    """The forward pass being steered on this thread; a forward pass of any other thread stays bare."""

    plan: dict[int, _Action] | None = None
    fired: set[int]


class SteeringTable:
    """Permanent hooks on every block of a model, and the two tables [layers, rows, 1, d_model] they read.

    `bind` says what each row of the batch wants, `steered` arms the hooks for one forward pass. In a forward
    pass outside `steered`, and on blocks that no row steers, the hooks return None: the block's output is
    passed on untouched. A row that is not steered stays bit-equal beside rows that are: its additive delta
    is -0.0, the one number x + y leaves every x as it is, and its factor is 0.

    One batch at a time, on one thread; the model lies on one device. Use as a context manager or call
    `detach` to remove the hooks.
    """

    def __init__(self, model: nn.Module, max_rows: int) -> None:
        blocks = decoder_blocks(model)
        like = next(model.parameters())
        shape = (len(blocks), max_rows, 1, d_model(model))
        self._add = torch.full(shape, -0.0, dtype=like.dtype, device=like.device)
        self._multiply = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self._rows: list[_Row | None] = []
        self._pass = _Pass()
        self._handles = [
            block.register_forward_hook(lambda _block, _args, output, layer=layer: self._steer(layer, output))
            for layer, block in enumerate(blocks)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def detach(self) -> None:
        """Remove the hooks; the model is bare again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def bind(self, steerings: Sequence[Steering | None], prompt_lens: Sequence[int]) -> None:
        """Fill the tables: row i of the next batch wants `steerings[i]` after `prompt_lens[i]` prompt tokens.

        α = 0 is the same as None. Raises SteeringMismatch for a steering that does not fit the model or more
        rows than the table has, and leaves the table empty then.
        """
        n_layers, max_rows, _, width = self._add.shape
        self._add.fill_(-0.0)
        self._multiply.zero_()
        self._rows = []
        if len(steerings) > max_rows:
            raise SteeringMismatch(f"{len(steerings)} rows do not fit a steering table of {max_rows}")
        for steering in steerings:
            if steering is not None:
                steering.validate(n_layers, width)
        for row, (steering, prompt_len) in enumerate(zip(steerings, prompt_lens, strict=True)):
            if steering is None or steering.alpha == 0:
                self._rows.append(None)
                continue
            multiply = steering.mode == "multiply"
            (self._multiply if multiply else self._add)[steering.layer, row, 0] = steering.delta()
            start = prompt_len if steering.positions == "generated" else 0
            self._rows.append(_Row(steering.layer, multiply, start))

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, in this order."""
        for layer in self._steered_layers():
            for table in (self._add, self._multiply):
                table[layer, : len(rows)] = table[layer, list(rows)]
        self._rows = [self._rows[row] for row in rows]

    @contextmanager
    def steered(self, position_ids: Tensor) -> Iterator[None]:
        """Steer the one forward pass made inside, whose tokens have `position_ids` [rows, seq] (on the CPU).

        Raises SteeringNotApplied if a block that had to be steered did not run, in which case the output of
        the forward pass must not be used.
        """
        plan = self._plan(position_ids)
        self._pass.plan, self._pass.fired = plan, set()
        try:
            yield
        finally:
            self._pass.plan = None
        if missed := plan.keys() - self._pass.fired:
            raise SteeringNotApplied(
                f"the forward pass did not steer layers {sorted(missed)}; discard its output"
            )

    def _steered_layers(self) -> set[int]:
        return {row.layer for row in self._rows if row is not None}

    def _plan(self, position_ids: Tensor) -> dict[int, _Action]:
        if len(position_ids) != len(self._rows):
            raise SteeringNotApplied(f"{len(position_ids)} rows in the forward pass, {len(self._rows)} bound")
        starts = [row.start if row else 0 for row in self._rows]
        touched = position_ids >= torch.tensor(starts).unsqueeze(1)
        some, every = touched.any(1).tolist(), touched.all(1).tolist()
        plan: dict[int, _Action] = {}
        for layer in self._steered_layers():
            rows = [i for i, row in enumerate(self._rows) if row and row.layer == layer]
            if any(some[i] for i in rows):
                multiply = any(row.multiply for row in self._rows if row and row.layer == layer)
                everywhere = all(every[i] for i in rows)
                where = None if everywhere else touched.unsqueeze(2).to(self._add.device)
                plan[layer] = _Action(multiply, where)
        return plan

    def _steer(self, layer: int, output: object) -> object:
        plan = self._pass.plan
        if plan is None or (action := plan.get(layer)) is None:
            return None
        hidden = residual(output)
        rows = len(self._rows)
        if hidden.shape[0] != rows or hidden.shape[2] != self._add.shape[3]:
            raise SteeringNotApplied(
                f"block {layer} returned {list(hidden.shape)}, expected [{rows}, seq, {self._add.shape[3]}]"
            )
        delta = self._add[layer, :rows]
        if action.multiply:
            delta = torch.addcmul(delta, hidden, self._multiply[layer, :rows])
        steered = hidden + delta
        if action.where is not None:
            steered = torch.where(action.where, steered, hidden)
        self._pass.fired.add(layer)
        return with_residual(output, steered)
