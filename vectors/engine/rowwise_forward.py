"""Passes of rows that each go through a transformers model's own forward, with the cache that it makes.

For models whose rows cannot share an attention of ours: a state beside attention, attention of a kind of its
own. Nothing is assumed of what a row's past is. It is what the model hands back to be given again, or, where
it hands back nothing, the row's tokens, which are then computed anew for each new one. The newest tokens of
all rows still share every product (`vectors.engine.meeting`), as the many of a prompt do among themselves.
"""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from vectors.engine.hooks import attached, in_pass
from vectors.engine.meeting import Meeting
from vectors.engine.ragged import Pass, Piece
from vectors.engine.tokenwise import tokenwise
from vectors.errors import UnsupportedModel
from vectors.models.blocks import embedding

_PAST = -1
"""The number of a row's past among what layers remember of it."""
_CACHES = ("past_key_values", "cache_params", "state")
"""Under which of its names a model hands its cache back, and takes it."""
_FEW = 8
"""The products of a piece of more tokens are bound by arithmetic: sharing them would gain nothing."""


class _Output(Protocol):
    logits: Tensor


class _Generating(Protocol):
    """What transformers' own generation calls of a model."""

    def __call__(self, **inputs: object) -> _Output: ...

    def prepare_inputs_for_generation(self, input_ids: Tensor, **more: object) -> dict[str, object]: ...


@dataclass(eq=False)
class _Past:
    """A row's tokens, and what the model remembers of them."""

    tokens: list[int] = field(default_factory=list)
    caches: dict[str, object] = field(default_factory=dict)


class RowwiseForward:
    """Runs passes of rows that share products; `detach` leaves the model as it was.

    `in_pieces`: the model is trusted to go on from a part of a prompt. With `positions` it is told them: some
    count them wrongly from their cache, others in a way of their own. Without `caching` it makes no cache.
    """

    resumable = False
    reusable = False
    group = 1
    shapes = ((1, 1),)

    def __init__(
        self, model: nn.Module, *, in_pieces: bool, positions: bool = False, caching: bool = True
    ) -> None:
        self.in_pieces = in_pieces
        self.dtype = embedding(model).weight.dtype
        if positions and "position_ids" not in inspect.signature(model.forward).parameters:
            raise UnsupportedModel(f"{type(model).__name__} takes no positions")
        self._positions = positions
        self._model = cast("_Generating", model)
        self._caching = caching
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._meeting = Meeting(tokenwise(model))
        self._handles = attached(model)

    def copied(self, states: Mapping[int, object]) -> dict[int, object] | None:
        """The row's tokens and a copy of its caches; None where prompts come whole, or there is none."""
        past = states.get(_PAST)
        if not self.in_pieces or not isinstance(past, _Past) or not past.caches:
            return None
        return {_PAST: _Past(list(past.tokens), copy.deepcopy(past.caches))}

    def detach(self) -> None:
        """Remove what was attached, and end the rows' threads."""
        for handle in self._handles:
            handle.remove()
        self._meeting.close()

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Run a pass and return the logits [wanted, vocab] of its wanted positions, in float32."""
        assert resume is None, "only a resumable forward starts after a block"
        rows = {piece: partial(self._row, batch.over([piece])) for piece in batch.pieces}
        few = [piece for piece in rows if len(piece.token_ids) <= _FEW]
        try:
            found = {piece: row() for piece, row in rows.items() if len(few) < 2 or piece not in few}
            together = [piece for piece in rows if piece not in found]
            found |= zip(together, self._meeting.run([rows[piece] for piece in together]), strict=True)
        except BaseException:
            for piece in rows:
                _forget(piece)
            raise
        return torch.cat([found[piece] for piece in batch.pieces])

    def _row(self, batch: Pass) -> Tensor:
        """The logits [wanted, vocab] of one row's piece."""
        (piece,) = batch.pieces
        past = piece.states.get(_PAST)
        if not isinstance(past, _Past) or piece.start == 0:
            piece.states[_PAST] = past = _Past()
        past.tokens += piece.token_ids
        anew = not past.caches
        if anew and piece.start:
            batch = batch.over([replace(piece, start=0, token_ids=past.tokens)])
        device = batch.token_ids.device
        told = (
            {"position_ids": torch.arange(len(past.tokens), device=device)[None]} if self._positions else {}
        )
        inputs = self._model.prepare_inputs_for_generation(
            torch.tensor([past.tokens], device=device),
            next_sequence_length=len(batch.token_ids),
            is_first_iteration=anew,
            use_cache=self._caching,
            **told,
            **past.caches,
        )
        last = self._keeps_logits and set(batch.wanted.tolist()) <= {len(batch.token_ids) - 1}
        if self._keeps_logits:  # some say of themselves that they keep one
            inputs["logits_to_keep"] = int(last)
        with in_pass(batch):
            output = self._model(**inputs)
        if self._caching:
            past.caches = {
                name: made for name in _CACHES if (made := getattr(output, name, None)) is not None
            }
        logits = output.logits[0]
        return logits[-1:].expand(len(batch.wanted), -1).float() if last else logits[batch.wanted].float()


def _forget(piece: Piece) -> None:
    """Drop what a failed pass may have changed of a row's past: its tokens are computed anew next time."""
    past = piece.states.get(_PAST)
    if isinstance(past, _Past):
        past.caches = {}
        del past.tokens[piece.start :]
