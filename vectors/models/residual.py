"""The residual stream in what a decoder block returns, and what it returns with another in its place.

Models with hyper-connections (arXiv 2409.19606, 2512.24880) have several streams. They begin as copies of the
embedding, blocks read a mixture and write to each, and what mixes streams among themselves keeps their mean.
So the mean is what is read here as the residual stream, and what is added to it is added to each.
"""

from torch import Tensor

from vectors.errors import UnsupportedModel


def residual(output: object, streams: int = 1) -> Tensor:
    """Return the residual stream [batch, seq, d_model] in what a block returned: a tensor, a tuple or a list.

    Of several `streams` it is the mean. Raises UnsupportedModel where there is no such tensor: a hook must
    not pass over it in silence.
    """
    hidden = _first(output)
    if isinstance(hidden, Tensor):
        if streams == 1 and hidden.ndim == 3:
            return hidden
        if streams > 1 and hidden.ndim > 2 and hidden[0, 0].numel() % streams == 0:
            return _each(hidden, streams).mean(2)
    shape = list(hidden.shape) if isinstance(hidden, Tensor) else type(hidden).__name__
    raise UnsupportedModel(f"a decoder block returned {shape}, expected a tensor [batch, seq, d_model]")


def with_residual(output: object, hidden: Tensor, streams: int = 1) -> object:
    """Return what a block returned with its residual stream replaced by `hidden` [batch, seq, d_model]."""
    if streams > 1:
        moved, before = hidden - residual(output, streams), _first(output)
        assert isinstance(before, Tensor)
        hidden = (_each(before, streams) + moved.unsqueeze(2)).view_as(before)
    if isinstance(output, list):
        return [hidden, *output[1:]]
    return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


def _first(output: object) -> object:
    return output[0] if isinstance(output, tuple | list) and output else output


def _each(hidden: Tensor, streams: int) -> Tensor:
    """[batch, seq, streams, d_model], of streams that lie apart or side by side."""
    return hidden.reshape(*hidden.shape[:2], streams, -1)
