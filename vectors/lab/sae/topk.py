"""TopK autoencoders: only the k largest activations stay, negative ones as zero (Gao et al. 2024, arXiv
2406.04093).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vectors.errors import SaeError
from vectors.lab.sae.codes import Code, Sparse
from vectors.lab.sae.learner import Learner
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
        where = self._chosen(activations)
        return torch.zeros_like(activations).scatter(-1, where, activations.gather(-1, where).relu())

    def decode(self, features: Tensor) -> Tensor:
        """Activations [..., d_sae] → residuals [..., d_model]."""
        return super().decode(features / self._norms)

    def _chosen(self, activations: Tensor) -> Tensor:
        return activations.topk(self._k, dim=-1).indices


class AbsTopK(TopK):
    """The k activations furthest from zero stay, with their signs (arXiv 2510.00404)."""

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae], some of them negative."""
        activations = self.activations(hidden) * self._norms
        where = self._chosen(activations.abs())
        return torch.zeros_like(activations).scatter(-1, where, activations.gather(-1, where))


class TopKLearner(Learner):
    """Learns with exactly `sparsity` features a token."""

    saved_as = "topk"

    def select(self, activations: Tensor) -> Code:
        """The k largest of each token."""
        largest, where = activations.topk(int(self.recipe.sparsity), dim=1, sorted=False)
        return Sparse.even(where, largest.float().relu(), self.recipe.d_sae)

    def saved(self) -> tuple[dict[str, object], dict[str, Tensor]]:
        """With k, which belongs to the configuration."""
        config, tensors = super().saved()
        return config | {"k": int(self.recipe.sparsity)}, tensors
