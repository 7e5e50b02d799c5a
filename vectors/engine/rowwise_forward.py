"""Passes of one row through a transformers model's own forward, with the cache that the model itself makes.

For models whose rows cannot share a pass: a state beside attention, attention of a kind of their own. Nothing
is assumed of what a row's past is. It is what the model hands back to be given again, or, where it hands back
nothing, the row's tokens, which are then computed anew for each new one.
"""

import inspect
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from vectors.engine.hooks import attached, in_pass
from vectors.engine.ragged import Pass

_PAST = -1
"""The number of a row's past among what layers remember of it."""
_CACHES = ("past_key_values", "cache_params", "state")
"""Under which of its names a model hands its cache back, and takes it."""


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
    """Runs passes of one row each; `detach` leaves the model as it was."""

    resumable = False
    reusable = False
    batched = False
    kv_heads = head_dim = 1

    def __init__(self, model: nn.Module, *, caching: bool = True) -> None:
        self._model = cast("_Generating", model)
        self._caching = caching
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._handles = attached(model)

    def detach(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Run a pass and return the logits [wanted, vocab] of its wanted positions, in float32."""
        (piece,) = batch.pieces
        assert resume is None, "only a resumable forward starts after a block"
        past = piece.states.get(_PAST)
        if not isinstance(past, _Past) or piece.start == 0:
            piece.states[_PAST] = past = _Past()
        past.tokens += piece.token_ids
        if piece.start and not past.caches:
            batch = batch.over([replace(piece, start=0, token_ids=past.tokens)])
        device = batch.token_ids.device
        inputs = self._model.prepare_inputs_for_generation(
            torch.tensor([past.tokens], device=device),
            next_sequence_length=len(batch.token_ids),
            is_first_iteration=piece.start == 0,
            use_cache=self._caching,
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
