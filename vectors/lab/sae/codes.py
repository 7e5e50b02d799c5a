"""Which features are active at which token, as training computes with it: sparse, or dense if it must be.

Why it exists: of a training step's five products of [tokens, d_sae, d_model], all but the encoder's own have
a code as one factor. Where a token has few active features these are gathers and sums over k rows instead of
d_sae (Gao et al. 2024, arXiv 2406.04093, appendix D, wrote kernels for it); torch's bags of embeddings do the
same on a processor.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

_SUM = 0
"""How torch's operators call a bag that is added up."""


class Code(Protocol):
    """The features that may be active in a batch, and a value for each, in a layout of the code's own."""

    @property
    def values(self) -> Tensor:
        """Activations, in the code's layout."""
        ...

    def holding(self, values: Tensor) -> Self:
        """The same features with other values."""
        ...

    def decode(self, rows: Tensor) -> Tensor:
        """Σ_j z_bj rows_j: [batch, d_model] of rows [d_sae, d_model]."""
        ...

    def along(self, of: Tensor, rows: Tensor) -> Tensor:
        """⟨of_b, rows_j⟩ for each j of each b, in the layout of the values; `of` [batch, d_model]."""
        ...

    def gathered(self, of: Tensor) -> Tensor:
        """Σ_b z_bj of_b for each feature, [d_sae, d_model]."""
        ...

    def totals(self) -> Tensor:
        """Σ_b z_bj for each feature, [d_sae]."""
        ...

    def active(self) -> Tensor:
        """At how many tokens each feature is active, [d_sae]."""
        ...


@dataclass(frozen=True, eq=False)
class Sparse:
    """`features` and `values` [listed], token after token; `counts` [batch] of them belong to each token."""

    features: Tensor
    values: Tensor
    counts: Tensor
    d_sae: int

    @classmethod
    def even(cls, features: Tensor, values: Tensor, d_sae: int) -> "Sparse":
        """As many at each token: features and values [batch, k]."""
        batch, k = features.shape
        counts = torch.full((batch,), k, device=features.device)
        return cls(features.reshape(-1), values.reshape(-1), counts, d_sae)

    @classmethod
    def where(cls, listed: Tensor, activations: Tensor) -> "Sparse":
        """Those that a mask [batch, d_sae] lists, with their activations."""
        features = listed.nonzero()[:, 1]
        return cls(features, activations[listed].float(), listed.sum(1), listed.shape[1])

    def holding(self, values: Tensor) -> "Sparse":
        """See `Code`."""
        return replace(self, values=values)

    def decode(self, rows: Tensor) -> Tensor:
        """See `Code`."""
        return functional.embedding_bag(
            self.features, rows, self._starts, mode="sum", per_sample_weights=self.values
        )

    def along(self, of: Tensor, rows: Tensor) -> Tensor:
        """See `Code`."""
        found: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            of, rows, self.features, self._starts, self._tokens, _SUM
        )
        return found

    def gathered(self, of: Tensor) -> Tensor:
        """See `Code`."""
        found: Tensor = torch.ops.aten._embedding_bag_dense_backward(
            *(of, self.features, self._tokens, self.counts, self.counts[:0]),
            *(self.d_sae, False, _SUM, self.values),
        )
        return found

    def totals(self) -> Tensor:
        """See `Code`."""
        return self.values.new_zeros(self.d_sae).index_add_(0, self.features, self.values)

    def active(self) -> Tensor:
        """See `Code`."""
        return torch.bincount(self.features[self.values > 0], minlength=self.d_sae)

    @cached_property
    def _starts(self) -> Tensor:
        return self.counts.cumsum(0) - self.counts

    @cached_property
    def _tokens(self) -> Tensor:
        return torch.arange(len(self.counts), device=self.counts.device).repeat_interleave(self.counts)


@dataclass(frozen=True, eq=False)
class Dense:
    """`values` [batch, d_sae], zero where a feature is silent; products are computed in `dtype`."""

    values: Tensor
    dtype: torch.dtype

    def holding(self, values: Tensor) -> "Dense":
        """See `Code`."""
        return replace(self, values=values)

    def decode(self, rows: Tensor) -> Tensor:
        """See `Code`."""
        return (self.values.to(self.dtype) @ rows.to(self.dtype)).float()

    def along(self, of: Tensor, rows: Tensor) -> Tensor:
        """See `Code`."""
        return (of.to(self.dtype) @ rows.to(self.dtype).T).float()

    def gathered(self, of: Tensor) -> Tensor:
        """See `Code`."""
        return (self.values.to(self.dtype).T @ of.to(self.dtype)).float()

    def totals(self) -> Tensor:
        """See `Code`."""
        return self.values.sum(0)

    def active(self) -> Tensor:
        """See `Code`."""
        return (self.values > 0).sum(0)
