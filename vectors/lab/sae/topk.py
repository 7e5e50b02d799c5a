"""TopK autoencoders: only the k largest activations stay, negative ones as zero (Gao et al. 2024, arXiv
2406.04093).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vectors.errors import SaeError
from vectors.lab.sae.linear import Linear


class TopK(Linear):
    """At most k features are active.

    With `rescale_acts_by_decoder_norm` activations are multiplied by the norm of their feature's row of W_dec
    before the k largest are chosen, and divided by it again in decoding. Raises SaeError without a k from 1
    to d_sae: SAELens would silently take 100.
    """

    def __init__(self, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(config, tensors)
        k = config.get("k")
        if not isinstance(k, int) or not 1 <= k <= len(self.b_enc):
            raise SaeError(f"k is {k!r}, expected a number of features from 1 to {len(self.b_enc)}")
        rescaled = config.get("rescale_acts_by_decoder_norm", False)
        self._k, self._norms = (
            k,
            self.w_dec.norm(dim=-1).clamp_min(1e-30) if rescaled else torch.ones(len(self.b_enc)),
        )

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""
        activations = self.activations(hidden) * self._norms
        largest, where = activations.topk(self._k, dim=-1)
        return torch.zeros_like(activations).scatter(-1, where, largest.relu())

    def decode(self, features: Tensor) -> Tensor:
        """Activations [..., d_sae] → residuals [..., d_model]."""
        return super().decode(features / self._norms)
