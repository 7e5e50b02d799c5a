"""BatchTopK: of a whole batch the k·tokens largest activations stay (Bussmann et al. 2024, arXiv 2412.06410).

A token may have more features than another. Inference has no batch: it takes the mean over training of the
smallest activation that stayed as every feature's threshold, which makes it a JumpReLU autoencoder.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vectors.lab.sae.codes import Code, Sparse
from vectors.lab.sae.learner import Learner

_RATE = 0.01
_MARGIN = 0.8
"""Candidates are those above so much of the running threshold: as many as are wanted, and some more."""


class BatchTopKLearner(Learner):
    """Learns with `sparsity` features a token, on the mean over a batch."""

    saved_as = "jumprelu"
    _threshold = 0.0

    def select(self, activations: Tensor) -> Code:
        """The largest of the batch; sorting all of it would take as long as the encoder's product."""
        most = round(self.recipe.sparsity * len(activations))
        floor = max(self._threshold * _MARGIN, 0.0)
        code = Sparse.where(activations > floor, activations)
        if len(code.values) < most:
            code = Sparse.where(activations > 0, activations)
        if len(code.values) > most:
            least = float(code.values.topk(most, sorted=False).values.min())
            code = Sparse.where(activations >= least, activations)
        if len(code.values):
            least = float(code.values.min())
            self._threshold += (_RATE if self.step_number else 1.0) * (least - self._threshold)
        return code

    def saved(self) -> tuple[dict[str, object], dict[str, Tensor]]:
        """With the running threshold for every feature."""
        config, tensors = super().saved()
        threshold = torch.full((self.recipe.d_sae,), self._threshold / self.scale)
        return config, tensors | {"threshold": threshold}

    def state(self) -> dict[str, Tensor]:
        """The running threshold too."""
        return super().state() | {"threshold": torch.tensor(self._threshold, dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        super().restore(state)
        self._threshold = float(state["threshold"])
