"""What runs passes through a model: our own loop for the family it knows, transformers' forward for all."""

from typing import Protocol

from torch import Tensor, nn

from vectors.engine.llama_forward import LlamaForward
from vectors.engine.ragged import Pass


class Forward(Protocol):
    """Something that runs passes through a model.

    `resumable`: it can start after any block. `reusable`: a row's past is all in the key-value cache. There,
    keys have `kv_heads` heads of width `head_dim`.
    """

    kv_heads: int
    head_dim: int

    @property
    def resumable(self) -> bool: ...  # noqa: D102

    @property
    def reusable(self) -> bool: ...  # noqa: D102

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Return the logits [wanted, vocab] of the pass, in float32."""
        ...

    def detach(self) -> None:
        """Leave the model as it was, as far as it was changed."""
        ...


def forward_of(model: nn.Module) -> Forward:
    """What runs passes through a model; raises UnsupportedModel where its attention cannot be batched."""
    if LlamaForward.fits(model):
        return LlamaForward(model)
    from vectors.engine.hf_forward import HFForward  # importing transformers takes seconds

    return HFForward(model)
