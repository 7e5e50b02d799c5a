"""Whether passes give what the model's own forward gives: asked of every model when an engine opens it.

Two rows, one of them steered, go through their prompts in pieces and through three more tokens. What comes
out is held against the model's own forward over the whole of each row, under a plain hook. So a family that
nobody has tried here shows, a window that is counted otherwise, a state that is not the row's own, an
attention of a kind of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from vectors.engine.forward_protocol import Forward
from vectors.engine.kvcache import KeyValueCache
from vectors.engine.ragged import Pass, Piece
from vectors.errors import UnsupportedModel, VectorsError
from vectors.models.blocks import (
    context_length,
    d_model,
    decoder_blocks,
    embedding,
    n_layers,
    streams,
    text_config,
)
from vectors.models.residual import residual, with_residual
from vectors.steering.intervention import Intervention, Steering
from vectors.steering.positions import Layout
from vectors.steering.row_steering import RowSteering

_PROMPTS = (13, 22)
_NEW = 3
_LONGEST = 4608
"""A window or chunk of more tokens is not crossed."""
_WINDOWS = (
    "sliding_window",
    "attention_chunk_size",
    "attention_window_size",
    "local_attn_window_size",
    "local_attn_chunk_length",
)
_EXACT, _FAR = 1e-4, 1.0
"""How far logits may be from the model's own, as a share of their spread: in float32, and ever. Those of
another text are 1.4 away."""
_ROUNDINGS = 3
"""In fewer bits: so many times as far as the model's own logits move where its embeddings are rounded
otherwise. Of tiny models of 144 types in bfloat16, right passes are at most 1.03 times as far, of
Gemma-3-270M 2.4 times, wrong ones at least 9 times."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A row, the model's own logits [2 + new, vocab] at the last two tokens of the prompt and after, and how
    far from them others may be."""

    token_ids: list[int]
    prompt_len: int
    steering: Steering
    logits: Tensor
    tolerance: float


class Rehearsal:
    """Made while the model is bare; raises UnsupportedModel where its own forward cannot be hooked."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._like = embedding(model).weight
        self._streams = streams(model)
        vocabulary = embedding(model).num_embeddings
        first, second = (min(n, context_length(model) - _NEW) for n in (self._crossing(), _PROMPTS[1]))
        layer = n_layers(model) // 2
        self._parts: list[_Part] = []
        for prompt_len, step in ((first, 7919), (second, 104729)):
            ids = (torch.arange(1, prompt_len + _NEW + 1) * step % vocabulary).tolist()
            steering = (self._steering(ids, layer),) if step == 104729 else ()
            logits = self._own(ids, steering)
            if not bool(logits.isfinite().all()):
                raise UnsupportedModel(
                    f"{type(model).__name__}: its logits are not finite in {str(self._like.dtype)[6:]}; "
                    "load it in float32, or fetch the model again"
                )
            tolerance = self._tolerance(ids, steering, logits)
            self._parts.append(_Part(ids, prompt_len, steering, logits, tolerance))

    @torch.inference_mode()
    def fault(self, forward: Forward) -> str | None:
        """What is wrong with the passes of `forward`; None if nothing is."""
        try:
            found = self._passes(forward)
        except VectorsError as error:
            return str(error)
        except Exception as error:
            return _failed("its", error)
        for part, logits in zip(self._parts, found, strict=True):
            away = _away(logits, part.logits)
            if not away <= part.tolerance:
                return (
                    f"its logits are {away:.2g} of their spread away from the model's own"
                    f"{' where it is steered' if part.steering else ''}"
                )
        return None

    def _passes(self, forward: Forward) -> list[Tensor]:
        """The logits [2 + new, vocab] of every row."""
        longest = sum(len(part.token_ids) + 64 for part in self._parts) * 2
        device, dtype = self._like.device, self._like.dtype
        cache = KeyValueCache(forward.shapes, longest, dtype, device)
        pieces: list[Piece] = []
        for part in self._parts:
            block = cache.allocate(len(part.token_ids))
            assert block is not None
            steering = RowSteering.of(part.steering, Layout(part.prompt_len), device)
            pieces.append(Piece(block, 0, (), steering))
        found: list[list[Tensor]] = [[] for _ in self._parts]
        stops = [[part.prompt_len + new for new in range(_NEW + 1)] for part in self._parts]
        if forward.in_pieces:  # long ones, and short ones that what follows is near
            sizes = [part.prompt_len for part in self._parts]
            stops = [[n // 2, n - 4, n - 3, n - 1, *ends] for n, ends in zip(sizes, stops, strict=True)]
        for ends in zip(*stops, strict=True):
            due = []
            for number, (part, end) in enumerate(zip(self._parts, ends, strict=True)):
                before = pieces[number]
                wanted = tuple(range(max(before.end, part.prompt_len - 2), end))
                tokens = part.token_ids[before.end : end]
                states = forward.copied(before.states) or before.states  # as later rows go on from it
                pieces[number] = replace(
                    before, start=before.end, token_ids=tokens, wanted=wanted, states=states
                )
                due.append(pieces[number])
            batch = Pass(due, cache, device)
            logits = iter(forward.run(batch))
            for piece in batch.pieces:
                found[pieces.index(piece)].extend(islice(logits, len(piece.wanted)))
        return [torch.stack(logits) for logits in found]

    def _crossing(self) -> int:
        """The length of the first prompt: it crosses the windows that the config names."""
        named = [getattr(text_config(self._model), name, None) for name in _WINDOWS]
        windows = [window for window in named if isinstance(window, int) and 0 < window <= _LONGEST]
        return max(_PROMPTS[0], *(window + 5 for window in windows), 0)

    def _steering(self, token_ids: Sequence[int], layer: int) -> Intervention:
        """Half as long as the residual stream, in a direction that means nothing."""
        seen: list[Tensor] = []
        block = decoder_blocks(self._model)[layer]
        handle = block.register_forward_hook(
            lambda _block, _args, output: seen.append(residual(output, self._streams))
        )
        try:
            self._own(token_ids, ())
        finally:
            handle.remove()
        if not seen:
            raise UnsupportedModel(f"{type(self._model).__name__}: its forward does not pass block {layer}")
        width = seen[0].shape[-1]
        if width != d_model(self._model):
            raise UnsupportedModel(
                f"{type(self._model).__name__}: its blocks hand on {width} numbers a token, and "
                f"{d_model(self._model)} is the width of its residual stream: there are several in one"
            )
        vector = torch.randn(width, generator=torch.Generator().manual_seed(layer))
        alpha = float(seen[0].float().norm(dim=-1).mean()) / 2
        return Intervention(vector, layer, alpha)

    def _tolerance(self, token_ids: Sequence[int], steering: Steering, logits: Tensor) -> float:
        unit = torch.finfo(self._like.dtype).eps
        if unit <= torch.finfo(torch.float32).eps:
            return _EXACT
        chance = torch.Generator(self._like.device).manual_seed(0)

        def rounded_otherwise(_embedding: nn.Module, _args: object, output: Tensor) -> Tensor:
            by = torch.rand(output.shape, generator=chance, device=output.device) - 0.5
            return (output.float() * (1 + by * unit)).to(output.dtype)

        handle = embedding(self._model).register_forward_hook(rounded_otherwise)
        try:
            moved = _away(self._own(token_ids, steering), logits)
        finally:
            handle.remove()
        return max(_EXACT, min(_ROUNDINGS * moved, _FAR))

    def _added(self, delta: Tensor, _block: nn.Module, _args: object, output: object) -> object:
        return with_residual(output, residual(output, self._streams) + delta, self._streams)

    @torch.inference_mode()
    def _own(self, token_ids: Sequence[int], steering: Steering) -> Tensor:
        """The model's own logits [2 + new, vocab] at the last two tokens of the prompt and after."""
        handles = []
        for intervention in steering:
            delta = intervention.delta().to(device=self._like.device, dtype=self._like.dtype)
            block = decoder_blocks(self._model)[intervention.layer]
            handles.append(block.register_forward_hook(partial(self._added, delta)))
        try:
            output = self._model(
                input_ids=torch.tensor([list(token_ids)], device=self._like.device), use_cache=False
            )
        except VectorsError:
            raise
        except Exception as error:
            raise UnsupportedModel(f"{type(self._model).__name__}: {_failed('its own', error)}") from error
        finally:
            for handle in handles:
                handle.remove()
        logits: Tensor = output.logits[0, -_NEW - 2 :]
        return logits.float()


def _failed(whose: str, error: Exception) -> str:
    return f"{whose} forward pass fails: {type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _away(logits: Tensor, own: Tensor) -> float:
    """The distance of logits [tokens, vocab] from a model's own, as a share of the spread of those."""
    spread = float((own - own.mean(dim=-1, keepdim=True)).norm())
    return float((logits - own).norm()) / max(spread, 1e-9)
