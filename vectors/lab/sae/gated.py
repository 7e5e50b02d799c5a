"""Gated autoencoders: one bias decides which features are active, another how much (Rajamanoharan et al.
2024, arXiv 2404.16014).
"""

from collections.abc import Mapping

from torch import Tensor

from vectors.errors import SaeError
from vectors.lab.sae.linear import Linear


class Gated(Linear):
    """`b_gate`, `b_mag` and `r_mag` [d_sae] in place of `b_enc`; raises SaeError for others."""

    def __init__(self, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        names = ("b_gate", "b_mag", "r_mag")
        own = {name: tensors[name] for name in names if name in tensors}
        shared = {name: tensor for name, tensor in tensors.items() if name not in names}
        if len(own) < len(names) or len({tensor.shape for tensor in own.values()}) > 1 or "b_enc" in shared:
            raise SaeError(
                f"the weights are {', '.join(sorted(tensors))}, expected {', '.join(names)}, no b_enc"
            )
        super().__init__(config, {**shared, "b_enc": own["b_gate"]})
        self._magnitude_bias, self._gain = own["b_mag"], own["r_mag"].exp()

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""
        gates = self.activations(hidden)
        magnitudes = (gates - self.b_enc) * self._gain + self._magnitude_bias
        return magnitudes.relu() * (gates > 0)
