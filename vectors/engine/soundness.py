"""Whether passes of many rows compute what a transformers model does: asked of each when it is opened.

A pass lets tokens know of one another through attention alone, and attention is causal, with a window at
most. A model that asks for more (a state that runs along with the tokens, attention in chunks, an index that
leaves positions out) would be accepted and answer wrongly, a batch other than alone. So two short forward
passes of the model itself are watched, which holds families to the rule that nobody has tried here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vectors.engine.attention import Extra
from vectors.errors import UnsupportedModel
from vectors.models.blocks import embedding, n_layers, text_config

_LAYERS = ("full_attention", "sliding_attention", "conv")
"""Kinds of layers, as configs call them, that a pass knows; a short convolution is `hf_forward`'s own."""
_UNKNOWN_OPTIONS = ("sinks", "position_bias", "indices", "block_indices")
"""What some families ask of their attention that a pass does not know."""
_TOKENS = 24
_EXACT, _ROUNDED = 1e-3, 3e-2
"""How far two ways to compute one attention may be apart, as a share: in float32, and in bfloat16."""

Attend = Callable[[Any, Tensor, Tensor, Tensor, Tensor | None, Mapping[str, Any]], Tensor]
"""What stands in for attention: module, queries, keys, values, mask and options → [1, tokens, heads, dim]."""
Run = Callable[[Attend, Tensor], Tensor]
"""The logits [1, tokens, vocab] of the model's own forward pass with that attention, for ids [1, tokens]."""


def check_options(module: nn.Module, options: Mapping[str, Any]) -> None:
    """Raise UnsupportedModel for an attention that asks for what a pass does not know."""
    if odd := [name for name in _UNKNOWN_OPTIONS if options.get(name) is not None]:
        raise UnsupportedModel(f"{type(module).__name__} needs {', '.join(odd)} in its attention")


def extra_of(options: Mapping[str, Any]) -> Extra | None:
    """What transformers' options of an attention ask of its scores."""
    softcap, sinks = options.get("softcap"), options.get("s_aux")
    return None if softcap is None and sinks is None else Extra(softcap, sinks)


def watched(
    model: nn.Module, run: Run, bare: Attend, convolutions: Sequence[nn.Module]
) -> dict[int, tuple[int, int]]:
    """Watch the model's own attention `bare`; return the key heads and their width, by attending layer.

    `convolutions` are the modules whose memory a pass keeps. Raises UnsupportedModel, naming what a pass
    could not compute.
    """
    name = type(model).__name__
    kinds: Sequence[str] | None = getattr(text_config(model), "layer_types", None)
    if kinds and (odd := sorted({*kinds} - {*_LAYERS})):
        raise UnsupportedModel(f"{name} has layers of the kind {', '.join(odd)}")
    seen: dict[int, tuple[int, int]] = {}

    def compared(
        module: Any,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        options: Mapping[str, Any],
    ) -> Tensor:
        layer, window = int(module.layer_idx), options.get("sliding_window")
        if keys.shape[:3] != values.shape[:3] or values.shape[-1] > keys.shape[-1]:
            raise UnsupportedModel(
                f"{name}: block {layer} has keys {list(keys.shape[1:])} and values {list(values.shape[1:])}"
            )
        if layer in seen:
            raise UnsupportedModel(f"{name}: block {layer} attends twice")
        seen[layer] = keys.shape[1], keys.shape[-1]
        own = bare(module, queries, keys, values, mask, options)
        ours = _plain(queries, keys, values, options.get("scaling"), window, extra_of(options))
        tolerance = _EXACT if own.dtype == torch.float32 else _ROUNDED
        windowless = kinds and kinds[layer] == "sliding_attention" and window is None
        if windowless or float((ours - own).float().norm()) > tolerance * float(own.float().norm()):
            raise UnsupportedModel(
                f"{name}: block {layer} attends in a way of its own, beside causality and a window"
            )
        return own

    ids = (torch.arange(_TOKENS) * 7919 % embedding(model).num_embeddings).unsqueeze(0)
    run(compared, ids)
    if not set(range(n_layers(model))) - set(seen) and _mixes(model, run, ids, convolutions):
        raise UnsupportedModel(
            f"{name}: its tokens know of one another by more than attention (a state, a convolution)"
        )
    return seen


def _mixes(model: nn.Module, run: Run, ids: Tensor, convolutions: Sequence[nn.Module]) -> bool:
    """Whether a token reaches later ones although each attends to itself alone.

    Not-a-number in the first token's place goes wherever its values go, however small their weight.
    """

    def alone(
        _module: Any, queries: Tensor, _keys: Tensor, values: Tensor, _mask: Tensor | None, _options: object
    ) -> Tensor:
        return (
            values.repeat_interleave(queries.shape[1] // values.shape[1], dim=1).transpose(1, 2).contiguous()
        )

    def spoil(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        spoilt = output.clone()
        spoilt[:, 0] = torch.nan
        return spoilt

    with ExitStack() as stack:
        handle: RemovableHandle = embedding(model).register_forward_hook(spoil)
        stack.callback(handle.remove)
        for module in convolutions:
            module.forward = lambda hidden_states, *_args, **_kwargs: hidden_states
            stack.callback(module.__dict__.pop, "forward")
        logits = run(alone, ids)
    return not bool(logits[:, 1:].isfinite().all())


def _plain(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    scale: float | None,
    window: int | None,
    extra: Extra | None,
) -> Tensor:
    """Causal attention with a window at most, as a pass computes it: [1, tokens, heads, dim]."""
    tokens, heads = queries.shape[2], queries.shape[1]
    at = torch.arange(tokens, device=queries.device)
    seen = at <= at.unsqueeze(1)
    if window is not None:
        seen &= at > at.unsqueeze(1) - window
    mask = queries.new_zeros(tokens, tokens).masked_fill_(~seen, -torch.inf)
    keys, values = (each.repeat_interleave(heads // keys.shape[1], dim=1) for each in (keys, values))
    scores = queries @ keys.transpose(-1, -2) * (queries.shape[-1] ** -0.5 if scale is None else scale)
    return ((extra or Extra()).weights(scores, mask, (heads, 1, 1)) @ values).transpose(1, 2)
