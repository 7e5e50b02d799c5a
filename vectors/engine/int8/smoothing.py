"""What each input of a decoder's products is divided by before it is rounded, found on a sample of text.

What goes into a product is rounded by the largest number of its row, so a few inputs that are always large
would cost the others their last bits. Those are made smaller before, and their weights larger by as much
(SmoothQuant: Xiao et al. 2022, arXiv 2211.10438).
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.resources import files
from typing import cast

import torch
from torch import Tensor, nn

from vectors.engine.llama_forward import Weighted
from vectors.models.blocks import decoder_blocks, head
from vectors.models.tokenizer import Tokenizer

Smoothing = Mapping[tuple[int, str], Tensor]
"""By block and product, "qkv", "out", "up" or "down", [inputs]; the output head's is after the last block."""
HEAD = "head"
_READERS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
_SHARE = 0.5
"""Of the difference between inputs that their weights take over."""
_TOKENS = 512


def sample(tokenizer: Tokenizer) -> list[list[int]]:
    """The tokens of a few pages of code and prose."""
    texts = json.loads(files("vectors.engine.int8").joinpath("sample.json").read_text("utf-8"))
    return [tokenizer.encode(text)[:_TOKENS] for text in texts]


@torch.inference_mode()
def smoothing_of(model: nn.Module, token_ids: Sequence[Sequence[int]]) -> Smoothing:
    """Read a sample with a model whose layers are still its own, and even its inputs out by what was seen."""
    blocks = decoder_blocks(model)
    layers = {
        (number, product): [block.get_submodule(name) for name in names]
        for number, block in enumerate(blocks)
        for product, names in _READERS.items()
    }
    layers[len(blocks), HEAD] = [head(model)]
    largest: dict[tuple[int, str], Tensor] = {}

    def seen(key: tuple[int, str], _module: nn.Module, args: tuple[Tensor, ...]) -> None:
        most = args[0].flatten(0, -2).abs().amax(dim=0).float()
        largest[key] = torch.maximum(largest[key], most) if key in largest else most

    with ExitStack() as stack:
        for key, readers in layers.items():
            handle = readers[0].register_forward_pre_hook(partial(seen, key))
            stack.callback(handle.remove)
        for ids in token_ids:
            model(input_ids=torch.tensor([list(ids)]), use_cache=False)
    return {
        key: _even(largest[key], [cast("Weighted", each).weight for each in readers])
        for key, readers in layers.items()
    }


def _even(largest: Tensor, weights: Sequence[Tensor]) -> Tensor:
    of_weights = torch.stack([each.detach().abs().amax(dim=0).float() for each in weights]).amax(dim=0)
    found = _SHARE * largest.clamp_min(1e-5).log2() - (1 - _SHARE) * of_weights.clamp_min(1e-5).log2()
    # In whole quarters, so that the last bits of what was seen decide nothing.
    return torch.exp2(((found - found.mean()) * 4).round() / 4)
