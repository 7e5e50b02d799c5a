"""Passes through any decoder-only transformers model, by its own forward.

The model sees one long sequence; an attention function of ours, in the place that transformers keeps for
them, tells the rows apart. Steering and recording sit in hooks that stay. Outside a pass of this thread the
model is bare: its attention is torch's and its hooks return nothing.
"""

import functools
import sys
import threading
from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad
from torch.utils.hooks import RemovableHandle
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vectors.engine.hooks import attached, in_pass, running_pass
from vectors.engine.ragged import Pass
from vectors.engine.soundness import Attend, check_options, extra_of, watched
from vectors.errors import SteeringNotApplied, UnsupportedModel
from vectors.models.blocks import embedding, n_layers
from vectors.models.streaming import give_back

_NAME = "steered_ragged"
_MANY_TOKENS = 8
"""Of a pass: each has read the rows of a mapped embedding that lie around its own, 64 KiB."""
_CONVOLUTIONS = ("Lfm2ShortConv", "Lfm2MoeShortConv", "Lfm3ShortConv")


class _Current(threading.local):
    """What watches the model's own attention on this thread, and the layers that attended in its pass."""

    probe: Attend | None = None
    attended: set[int]


_current = _Current()


class _Config(Protocol):
    _attn_implementation: str


class _Switchable(Protocol):
    """A transformers model, whose attention can be another's."""

    config: _Config

    def set_attn_implementation(self, name: str) -> None: ...


class HFForward:
    """Runs passes through a model's own forward; `detach` leaves the model as it was."""

    resumable = False
    in_pieces = True
    group = 1

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.dtype = embedding(model).weight.dtype
        self._switch = cast("_Switchable", model)
        self._implementation = self._switch.config._attn_implementation
        self._switch.set_attn_implementation(_registered(self._implementation))
        self._convolutions = [module for module in model.modules() if type(module).__name__ in _CONVOLUTIONS]
        self.reusable = not self._convolutions  # what a convolution remembers is not in the cache
        self._handles: list[RemovableHandle] = []
        try:
            self.shapes = self._probe()
        except Exception:
            self.detach()
            raise
        for module in self._convolutions:
            module.forward = functools.partial(_convolve, module, module.forward)
        self._handles = attached(model)

    def copied(self, states: Mapping[int, object]) -> dict[int, object]:
        """What convolutions remember, which is made anew and never changed."""
        return dict(states)

    def detach(self) -> None:
        """Remove hooks and functions; the model is bare again."""
        for handle in self._handles:
            handle.remove()
        for module in self._convolutions:
            module.__dict__.pop("forward", None)  # closing twice is allowed
        self._switch.set_attn_implementation(self._implementation)

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Run a pass and return the logits [wanted, vocab] of its wanted positions, in float32."""
        assert resume is None, "only a resumable forward starts after a block"
        # Nobody reads this mask: one of four dimensions is what the model hands on without making its own.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch.token_ids.device)
        _current.attended = set()
        with in_pass(batch):
            output = self._model(
                input_ids=batch.token_ids.unsqueeze(0),
                position_ids=batch.positions.unsqueeze(0),
                attention_mask=mask,
                use_cache=False,
                logits_to_keep=batch.wanted,
            )
        if missed := self._attending - _current.attended:
            raise SteeringNotApplied(f"blocks {sorted(missed)} attended past the engine")
        if len(batch.token_ids) > _MANY_TOKENS:
            give_back()
        logits: Tensor = output.logits[0]
        return logits.float()

    def _probe(self) -> list[tuple[int, int]]:
        """The key heads and their width, by layer, as attention layers hand them over."""
        bare = functools.partial(_bare, self._implementation)
        seen = watched(self._model, self._bare_logits, bare, self._convolutions)
        self._attending = set(seen)
        without = set(range(n_layers(self._model))) ^ self._attending
        without -= {int(module.layer_idx) for module in self._convolutions}  # type: ignore[arg-type]
        if without or not seen:
            raise UnsupportedModel(
                f"{type(self._model).__name__}: blocks {sorted(without)} do not attend once "
                "through transformers' attention interface"
            )
        return [seen.get(layer, (1, 1)) for layer in range(max(seen) + 1)]

    def _bare_logits(self, attend: Attend, token_ids: Tensor) -> Tensor:
        """The logits [1, tokens, vocab] of the model's own forward pass, with `attend` for its attention."""
        device = next(self._model.parameters()).device
        _current.probe = attend
        try:
            with torch.inference_mode():
                logits: Tensor = self._model(input_ids=token_ids.to(device), use_cache=False).logits
        finally:
            _current.probe = None
        return logits


@functools.cache
def _registered(implementation: str) -> str:
    """The name of our attention in the place of another, whose masks it gets outside of passes."""
    name = f"{_NAME}_{implementation}"
    AttentionInterface.register(name, functools.partial(_attend, implementation))
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[implementation])
    return name


def _attend(
    implementation: str,
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What transformers calls for attention: query [1, heads, tokens, dim] → [1, tokens, heads, dim]."""
    check_options(module, options)
    batch = running_pass()
    if batch is None:
        bare = _current.probe or functools.partial(_bare, implementation)
        return bare(module, query, key, value, attention_mask, options), None
    scale = options.get("scaling")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    width = value.shape[-1]
    value = pad(value, (0, key.shape[-1] - width))  # the cache has one width for both
    heads = [each[0].transpose(0, 1) for each in (query, key, value)]
    window, extra = options.get("sliding_window"), extra_of(options)
    seen = batch.attend(module.layer_idx, heads[0], heads[1], heads[2], scale, window, extra)[..., :width]
    _current.attended.add(module.layer_idx)
    return seen.unsqueeze(0), None


def _bare(
    implementation: str,
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    options: Mapping[str, Any],
) -> Tensor:
    """Attention as the model has it without an engine."""
    own = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, own)
    output: Tensor = attend(module, query, key, value, mask, **options)[0]
    return output


def _convolve(module: Any, bare: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """LFM2's short convolution (three gates, arXiv 2511.23404) over each row's own past."""
    batch = running_pass()
    if batch is None:
        result: Tensor = bare(hidden_states, *args, **kwargs)
        return result
    before, after, x = module.in_proj(hidden_states)[0].chunk(3, dim=-1)
    gated = (before * x).T
    width = module.conv_kernel_size - 1
    mixed = torch.empty_like(gated)
    for piece, tokens in batch.tokens_of():
        past = piece.states.get(module.layer_idx)
        if not isinstance(past, Tensor) or piece.start == 0:
            past = gated.new_zeros(len(gated), width)
        extended = torch.cat([past, gated[:, tokens]], dim=1)
        weight, bias = module.conv.weight, module.conv.bias
        mixed[:, tokens] = conv1d(extended.unsqueeze(0), weight, bias, groups=len(gated))[0]
        piece.states[module.layer_idx] = extended[:, -width:]
    output: Tensor = module.out_proj((after * mixed.T).unsqueeze(0))
    return output
