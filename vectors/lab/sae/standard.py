"""ReLU autoencoders: z = ReLU((h − b_dec) W_enc + b_enc) (Bricken et al. 2023, "Towards Monosemanticity")."""

from torch import Tensor

from vectors.lab.sae.codes import Code, Dense
from vectors.lab.sae.learner import Learner
from vectors.lab.sae.linear import Linear


class Standard(Linear):
    """As many features are active as have a positive activation."""

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""
        return self.activations(hidden).relu()


class StandardLearner(Learner):
    """Learns under a penalty of `sparsity` · Σ z, the L1 norm of a token's code."""

    saved_as = "standard"
    initial_gain = 0.25
    """Half of the features are active at first: together they must not be many times the residual."""
    revives = False

    def select(self, activations: Tensor) -> Code:
        """All that are positive: at first half of them, so that nothing is gained by listing them."""
        return Dense(activations.float().relu_(), self.dtype)

    def slopes(self, code: Code, of_error: Tensor, gradients: dict[str, Tensor]) -> Tensor:
        """Those of the penalty too."""
        return super().slopes(code, of_error + self.recipe.sparsity / len(code.values), gradients)
