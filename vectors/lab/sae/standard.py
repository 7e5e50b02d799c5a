"""ReLU autoencoders: z = ReLU((h − b_dec) W_enc + b_enc) (Bricken et al. 2023, "Towards Monosemanticity")."""

from torch import Tensor

from vectors.lab.sae.linear import Linear


class Standard(Linear):
    """As many features are active as have a positive activation."""

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""
        return self.activations(hidden).relu()
