"""What runs passes through a model, as the scheduler knows it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from vectors.engine.ragged import Pass


class Forward(Protocol):
    """Something that runs passes through a model.

    `in_pieces`: a prompt may come in several passes. `resumable`: a pass can start after any block.
    `reusable`: a row's past is all in the key-value cache, which is of this `dtype`. There, `shapes` are the
    heads of each layer's keys and their width, and keys of `group` tokens lie among one another.
    """

    @property
    def shapes(self) -> Sequence[tuple[int, int]]: ...  # noqa: D102

    @property
    def group(self) -> int: ...  # noqa: D102

    @property
    def dtype(self) -> torch.dtype: ...  # noqa: D102

    @property
    def in_pieces(self) -> bool: ...  # noqa: D102

    @property
    def resumable(self) -> bool: ...  # noqa: D102

    @property
    def reusable(self) -> bool: ...  # noqa: D102

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Return the logits [wanted, vocab] of the pass, in float32."""
        ...

    def copied(self, states: Mapping[int, object], /) -> dict[int, object] | None:
        """Return what layers remember of a row for another that goes on there; None where none can."""
        ...

    def detach(self) -> None:
        """Leave the model as it was, as far as it was changed."""
        ...
