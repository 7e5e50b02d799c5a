"""Hooks on a transformers model's blocks that stay: they act in the passes of one thread and in none else.

Outside of a pass the model is bare.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle

from vectors.engine.ragged import Pass
from vectors.errors import SteeringNotApplied
from vectors.models.blocks import decoder_blocks, streams
from vectors.models.residual import residual, with_residual


class _Current(threading.local):
    """The pass that runs on this thread."""

    batch: Pass | None = None


_current = _Current()


def running_pass() -> Pass | None:
    """The pass that runs on this thread."""
    return _current.batch


@contextmanager
def in_pass(batch: Pass) -> Iterator[None]:
    """Have what the model computes in here recorded and steered; raises SteeringNotApplied otherwise."""
    _current.batch = batch
    try:
        yield
    finally:
        _current.batch = None
    batch.plan.check()


def attached(model: nn.Module) -> list[RemovableHandle]:
    """Hooks after every block of a model, for whoever runs passes through it."""
    several = streams(model)
    return [
        block.register_forward_hook(lambda _block, _args, output, layer=layer: _after(layer, output, several))
        for layer, block in enumerate(decoder_blocks(model))
    ]


def _after(layer: int, output: object, several: int) -> object:
    batch = _current.batch
    if batch is None or not batch.touches(layer):
        return None
    hidden = residual(output, several)
    if hidden.shape[:2] != (1, len(batch.token_ids)):
        raise SteeringNotApplied(
            f"block {layer} returned {list(hidden.shape)}, expected [1, {len(batch.token_ids)}, d_model]"
        )
    return with_residual(output, batch.after_block(layer, hidden[0].clone()).unsqueeze(0), several)
