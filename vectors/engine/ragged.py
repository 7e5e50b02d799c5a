"""One forward pass over pieces of many rows at once: no padding, each row at its own length and steering.

The tokens of all pieces lie one after another, so every product runs over exactly the tokens there are; only
attention knows of rows. Decoding rows and pieces of prompts share a pass, which is what lets rows join and
leave at every token (Yu et al. 2022, Orca; Agrawal et al. 2023, arXiv 2308.16369).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from vectors.engine.attention import Extra, Scratch, attend_piece, attend_rows
from vectors.engine.kvcache import Block, KeyValueCache
from vectors.engine.readings import RowReadings
from vectors.steering.plan import Span, SteeringPlan
from vectors.steering.row_steering import RowSteering


@dataclass(eq=False)
class Piece:
    """A row's share of a pass: `token_ids`, the first of them at position `start` of the row.

    `wanted` are the positions whose logits are asked for. `records` takes the residual stream [tokens,
    d_model] after each of its layers, before that layer's steering. `states` are what layers other than
    attention remember of the row, by layer. The last `drafted` tokens are guesses.
    """

    block: Block
    start: int
    token_ids: Sequence[int]
    steering: RowSteering = field(default_factory=RowSteering)
    wanted: Sequence[int] = ()
    records: dict[int, list[Tensor]] = field(default_factory=dict)
    states: dict[int, object] = field(default_factory=dict)
    readings: RowReadings | None = None
    drafted: int = 0

    @property
    def end(self) -> int:
        """The position after the piece's last token."""
        return self.start + len(self.token_ids)

    @property
    def draft(self) -> Sequence[int]:
        """The guesses among its tokens."""
        return self.token_ids[len(self.token_ids) - self.drafted :]


class _Run(NamedTuple):
    """What one attention call serves: `rows` of one token each in neighbouring blocks, or one piece."""

    first_token: int
    last_token: int
    block: Block
    rows: int
    tokens: int


class Pass:
    """The layout of one forward pass. `pieces` is in the order of its tokens."""

    def __init__(self, pieces: Sequence[Piece], cache: KeyValueCache, device: torch.device) -> None:
        self.pieces = sorted(pieces, key=lambda piece: (len(piece.token_ids) > 1, piece.block))
        self.cache = cache
        self._device = device
        positions = [position for piece in self.pieces for position in range(piece.start, piece.end)]
        ids = [token for piece in self.pieces for token in piece.token_ids]
        self.token_ids = torch.tensor(ids, device=device)
        self.positions = torch.tensor(positions, device=device)
        self._slots: dict[int, Tensor] = {}
        starts = [0]
        for piece in self.pieces:
            starts.append(starts[-1] + len(piece.token_ids))
        self._tokens = list(pairwise(starts))
        self._runs = self._attention_runs()
        self._masks: dict[tuple[int, int | None], Tensor | None] = {}
        self._scratch = Scratch()
        self.wanted = torch.tensor(
            [
                first + position - piece.start
                for piece, (first, _) in zip(self.pieces, self._tokens, strict=True)
                for position in piece.wanted
            ],
            dtype=torch.long,
            device=device,
        )
        self.plan = SteeringPlan(
            [
                Span(piece.steering, first, piece.start, piece.token_ids)
                for piece, (first, _) in zip(self.pieces, self._tokens, strict=True)
            ]
        )
        self._recorded = {layer for piece in self.pieces for layer in piece.records}
        self._read = {layer for piece in self.pieces if piece.readings for layer in piece.readings.layers}

    def over(self, pieces: Sequence[Piece]) -> "Pass":
        """A pass over other pieces, on the same cache and device."""
        return Pass(pieces, self.cache, self._device)

    def tokens_of(self) -> list[tuple[Piece, slice]]:
        """Each piece and where its tokens lie in the pass."""
        return [(piece, slice(*span)) for piece, span in zip(self.pieces, self._tokens, strict=True)]

    def touches(self, layer: int) -> bool:
        """Whether anything is recorded, read or steered after a block."""
        return layer in self._recorded or layer in self._read or self.plan.touches(layer)

    def after_block(self, layer: int, hidden: Tensor) -> Tensor:
        """Record, read and steer the output [tokens, d_model] of a block, in place, and return it."""
        if layer in self._recorded:
            for piece, tokens in self.tokens_of():
                if layer in piece.records:
                    piece.records[layer].append(hidden[tokens].clone())
        if layer in self._read:
            for piece, tokens in self.tokens_of():
                if piece.readings:
                    piece.readings.read(layer, piece.start, piece.token_ids, hidden[tokens])
        return self.plan.apply(layer, hidden)

    def attend(
        self,
        layer: int,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        scale: float,
        window: int | None = None,
        extra: Extra | None = None,
    ) -> Tensor:
        """Attend from `queries` [tokens, heads, head_dim] to each row's own past; returns the same shape.

        `keys` and `values` [tokens, kv_heads, head_dim] are stored first. With `window`, a token sees the
        last `window` positions, its own included.
        """
        cache = self.cache
        kv_heads, (heads, dim) = keys.shape[1], queries.shape[1:]
        cache.write(layer, self._slots_of(kv_heads), keys, values)
        outputs: list[Tensor] = []
        for number, run in enumerate(self._runs):
            mask = self._mask(number, window, queries.dtype)
            past_keys = cache.view(cache.keys[layer], run.block, run.rows, run.tokens)
            past_values = cache.view(cache.values[layer], run.block, run.rows, run.tokens)
            asked = queries[run.first_token : run.last_token].view(-1, kv_heads, heads // kv_heads, dim)
            if run.rows == len(asked):
                seen = attend_rows(asked, past_keys, past_values, mask, scale, extra)
            else:
                seen = attend_piece(asked, past_keys[0], past_values[0], mask, scale, self._scratch, extra)
            outputs.append(seen.reshape(-1, heads, dim))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _slots_of(self, kv_heads: int) -> Tensor:
        """Where the keys of the pass's tokens lie in a layer of so many heads."""
        if kv_heads not in self._slots:
            blocks = [piece.block for piece in self.pieces for _ in piece.token_ids]
            slots = self.cache.slots(blocks, self.positions.tolist(), kv_heads)
            self._slots[kv_heads] = slots.to(self._device)
        return self._slots[kv_heads]

    def _attention_runs(self) -> list[_Run]:
        runs: list[_Run] = []
        for piece, (first, last) in zip(self.pieces, self._tokens, strict=True):
            block = piece.block
            if last - first == 1 and runs:
                before = runs[-1]
                neighbour = before.block.start + before.rows * block.capacity == block.start
                if before.block.capacity == block.capacity and neighbour:
                    tokens = max(before.tokens, piece.end)
                    runs[-1] = before._replace(last_token=last, rows=before.rows + 1, tokens=tokens)
                    continue
            runs.append(_Run(first, last, block, 1, piece.end))
        return runs

    def _mask(self, number: int, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What the run's queries see: added to the scores; None where it is all, or all up to the token."""
        key = (number, window)
        if key not in self._masks:
            self._masks[key] = self._made_mask(self._runs[number], window, dtype)
        return self._masks[key]

    def _made_mask(self, run: _Run, window: int | None, dtype: torch.dtype) -> Tensor | None:
        count = run.last_token - run.first_token
        single = run.rows == count
        if not single and run.tokens == count and (window is None or window >= count):
            return None  # a whole triangle, which attention knows without a mask
        positions = self.positions[run.first_token : run.last_token].unsqueeze(1)
        past = torch.arange(run.tokens, device=self._device)
        seen = past <= positions
        if window is not None:
            seen &= past > positions - window
        if single and bool(seen.all()):
            return None
        mask = torch.zeros(seen.shape, dtype=dtype, device=self._device).masked_fill_(~seen, -torch.inf)
        return mask.view(run.rows, 1, 1, run.tokens) if single else mask
