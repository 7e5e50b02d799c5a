"""JumpReLU autoencoders: z = a where a exceeds its feature's own threshold, else 0 (Rajamanoharan et al.
2024, arXiv 2407.14435).
"""

from collections.abc import Mapping

from torch import Tensor

from vectors.errors import SaeError
from vectors.lab.sae.codes import Code, Sparse
from vectors.lab.sae.learner import Learner
from vectors.lab.sae.linear import Linear

_BANDWIDTH = 0.1
"""How near to its threshold an activation moves it, where a channel's variance is one."""
_WEIGHT = 30.0


class JumpReLU(Linear):
    """`threshold` [d_sae] beside the weights of every linear architecture; raises SaeError without it."""

    def __init__(self, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(config, {name: each for name, each in tensors.items() if name != "threshold"})
        threshold = tensors.get("threshold")
        if threshold is None or threshold.shape != self.b_enc.shape:
            found = "missing" if threshold is None else str(list(threshold.shape))
            raise SaeError(f"threshold is {found}, expected {list(self.b_enc.shape)}")
        self.threshold = threshold

    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""
        activations = self.activations(hidden)
        return activations.relu() * (activations > self.threshold)


class JumpReLULearner(Learner):
    """Learns the thresholds too, by the straight-through estimators of Rajamanoharan et al.

    What a feature more at a token costs is proportional to how far L0, the mean over a batch, is above k: a
    quadratic penalty, as Gemma Scope 2 has, so that k is met and need not be searched for. The thresholds
    begin where the first batch has k features a token: Adam would need thousands of steps to get there.
    """

    saved_as = "jumprelu"

    def further(self, zeros: Tensor) -> dict[str, Tensor]:
        """The thresholds."""
        return {"threshold": zeros}

    def select(self, activations: Tensor) -> Code:
        """Those above their thresholds, and with a value of zero those near enough to move them."""
        thresholds = self.weights["threshold"]
        if self.step_number == 0:
            among = activations.float().flatten()
            most = round(self.recipe.sparsity * len(activations))
            thresholds.fill_(float(among.topk(most, sorted=False).values.min()))
        thresholds.clamp_min_(0)
        code = Sparse.where(activations > thresholds - _BANDWIDTH / 2, activations)
        self._above = code.values - thresholds[code.features]
        return code.holding(code.values * (self._above > 0))

    def slopes(self, code: Code, of_error: Tensor, gradients: dict[str, Tensor]) -> Tensor:
        """Those of the error; the thresholds' gradients take in the cost of a feature more."""
        assert isinstance(code, Sparse)
        batch, k = len(code.counts), self.recipe.sparsity
        l0 = float((code.values > 0).sum()) / batch
        cost = _WEIGHT * min(1.0, l0 / k - 1) / batch
        near = (self._above.abs() < _BANDWIDTH / 2).float()
        moved = near * (self.weights["threshold"][code.features] * of_error + cost)
        gradients["threshold"] = code.holding(moved).totals() / -_BANDWIDTH
        return super().slopes(code, of_error, gradients)
