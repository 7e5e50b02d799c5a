"""Which modules of a model compute each token by itself: asked of the model, whatever their names.

What such a module makes of the tokens of many rows at once it makes of each row's alone, and its weights (and
nearly all of a model's are in some) are read once. What mixes tokens is none: attention, a convolution, a
state. Neither is a decoder block, after which a row may be steered, nor what holds one.
"""

import re
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vectors.models.blocks import decoder_blocks, embedding

_TOKENS = 12
_EXACT, _ROUNDED = 1e-4, 3e-2
"""How far a token may be from the same token beside others, as a share: in float32, and in fewer bits."""


def tokens_in(values: Sequence[object]) -> int:
    """Count the tokens of tensors [1, …, tokens, width]; 0 where one is not of that shape or number."""
    counts = {
        each.shape[-2]
        if isinstance(each, Tensor) and each.ndim > 1 and each.numel() == each.shape[-2] * each.shape[-1]
        else 0
        for each in values
    }
    return counts.pop() if len(counts) == 1 else 0


def several(output: object) -> Sequence[object]:
    """What a module returned, one thing or a tuple of them, as a sequence."""
    return output if isinstance(output, tuple) else (output,)


def tokenwise(model: nn.Module) -> list[nn.Module]:
    """The outermost modules that do, in the order in which the model names them.

    The model is run once. Of modules whose names differ by numbers alone the first called speaks for all.
    """
    modules = dict(model.named_modules())
    kinds = {module: (re.sub(r"\d+", "", name), type(module)) for name, module in modules.items()}
    blocks = {*decoder_blocks(model)}
    paths = [f"{name}." for name, module in modules.items() if module in blocks]
    whole = {module for name, module in modules.items() if any(path.startswith(f"{name}.") for path in paths)}
    found: dict[tuple[str, type[nn.Module]], bool] = {}
    asking = False

    def ask(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], output: object) -> None:
        nonlocal asking
        if asking or kwargs or kinds[module] in found:
            return
        asking = True  # what it calls is not asked on the way
        found[kinds[module]] = bool(tokens_in(args) == tokens_in(several(output)) == _TOKENS) and _alone(
            module, cast("Sequence[Tensor]", args), cast("Sequence[Tensor]", several(output))
        )
        asking = False

    handles = [
        module.register_forward_hook(ask, with_kwargs=True)
        for module in modules.values()
        if module not in whole | blocks and module is not model
    ]
    like = embedding(model).weight
    ids = torch.arange(1, _TOKENS + 1, device=like.device) * 7919 % len(like)
    try:
        with torch.inference_mode():
            model(input_ids=ids.unsqueeze(0), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    chosen = [module for module in modules.values() if found.get(kinds[module])]
    inside = {child for module in chosen for child in module.modules() if child is not module}
    return [module for module in chosen if module not in inside]


def _alone(module: nn.Module, args: Sequence[Tensor], output: Sequence[Tensor]) -> bool:
    """Whether tokens come out the same in reverse order and beside one that is not a number, at either end.

    Not-a-number goes wherever a token's values go, however small their weight.
    """
    forward = cast("Callable[..., object]", module.forward)
    for spoilt in (0, _TOKENS - 1):
        turned = [each.flip(-2) for each in args]
        for each in turned:
            if each.is_floating_point():
                each[..., spoilt, :] = torch.nan
        kept = [token for token in range(_TOKENS) if token != spoilt]
        for made, own in zip(several(forward(*turned)), output, strict=True):
            assert isinstance(made, Tensor)
            there, here = made[..., kept, :].float(), own.flip(-2)[..., kept, :].float()
            tolerance = _EXACT if own.dtype != torch.bfloat16 else _ROUNDED
            if not float((there - here).norm()) <= tolerance * float(here.norm()):
                return False
    return True
