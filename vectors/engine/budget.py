"""Budget guidance: a row's next token is chosen as if it were known that the answer ends within its budget.

Bayes' rule gives p(v | …, L ≤ b) ∝ p(v | …) · P(L ≤ b | v), where L counts the tokens that follow v. What a
small head on the residual stream says of L is log(L + 1) ~ Gamma(α_v, λ_v) (Li et al. 2025, "Steering LLM
Thinking with Budget Guidance", arXiv 2506.13752). The head is fitted by `vectors.measuring.lengths`.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vectors.errors import InvalidRequest

_CANDIDATES = 256
"""Tokens that are looked at first: as a factor is at most 1, few others can come out on top."""
_LEAST = 1e-30
"""Of a probability, so that the order of unlikely tokens is kept."""


@dataclass(frozen=True, eq=False)
class LengthHead:
    """What the residual h after block `layer` says of how many tokens follow, if the next is v.

    With x = h/‖h‖·√d_model: α_v = softplus(f_0 + ⟨f_2.., e_v⟩) and λ_v = softplus(f_1 + ⟨f_2+r.., e_v⟩), f =
    `directions` x + `offsets`. directions: [2 + 2r, d_model]; offsets: [2 + 2r]; tokens: e, [vocab, r]. All
    float32.
    """

    layer: int
    directions: Tensor
    offsets: Tensor
    tokens: Tensor

    def features(self, hidden: Tensor) -> Tensor:
        """f of residuals [..., d_model], [..., 2 + 2r]."""
        x = hidden.float()
        x = x * (math.sqrt(x.shape[-1]) / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12))
        features: Tensor = x @ self.directions.T + self.offsets
        return features

    def parameters(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """α and λ of features [..., 2 + 2r] for e [..., r] of as many tokens."""
        rank = self.tokens.shape[1]
        shape = features[..., 0] + (features[..., 2 : 2 + rank] * tokens).sum(-1)
        rate = features[..., 1] + (features[..., 2 + rank :] * tokens).sum(-1)
        return softplus(shape) + 1e-3, softplus(rate) + 1e-3

    def within(self, features: Tensor, ids: Tensor, room: int) -> Tensor:
        """P(L ≤ room | v) for features [2 + 2r] and each of `ids` [n]: the Gamma's distribution function."""
        if room < 0:
            return torch.zeros(len(ids), device=ids.device)
        alpha, rate = self.parameters(features, self.tokens[ids])
        within: Tensor = torch.special.gammainc(alpha, rate * math.log(room + 1))
        return within


@dataclass(frozen=True, eq=False)
class Budget:
    """At most so many new tokens, the one that ends the answer among them."""

    tokens: int
    head: LengthHead

    def __post_init__(self) -> None:
        _check(self.tokens)


@dataclass(frozen=True)
class Ramp:
    """The baseline that the original calls budget guidance: the token that ends an answer gains with every
    token that is spent, 5·σ(5·(0.3 − what is left/budget)), and 10 more past the budget
    (Shumatsurontek/steering-research, `budget_guidance.py`). Nothing is foreseen.
    """

    tokens: int

    def __post_init__(self) -> None:
        _check(self.tokens)


@dataclass(eq=False)
class Guide:
    """A row's budget on its way: what was read last, and which tokens end the answer."""

    budget: Budget
    ends: Tensor
    features: Tensor | None = field(default=None)

    @property
    def layer(self) -> int:
        """The block that is read."""
        return self.budget.head.layer

    def read(self, hidden: Tensor) -> None:
        """Note the newest place's residual [d_model] as the block puts it out."""
        self.features = self.budget.head.features(hidden)

    def adjusted(self, logits: Tensor, new: int, *, whole: bool) -> Tensor:
        """Logits [vocab] with log P(L ≤ what is left | v) added, where `new` tokens are there already.

        Without `whole` only the greatest is exact, and tokens that cannot be it are left out. Where a
        constraint allows no end once the budget is spent, the answer goes on as if there were none.
        """
        assert self.features is not None, "a budget is read before it guides"
        room = self.budget.tokens - new - 1
        ends = self.ends.to(logits.device)
        if room <= 0:
            ending = torch.full_like(logits, -torch.inf)
            ending[ends] = logits[ends]
            return ending if torch.isfinite(ending).any() else logits
        count = len(logits) if whole else min(_CANDIDATES, len(logits))
        while True:
            if count == len(logits):
                likely, others = torch.arange(count, device=logits.device), -math.inf
            else:
                best = logits.topk(count + 1)
                likely, others = best.indices[:count], float(best.values[-1])
            factors = self.budget.head.within(self.features, likely, room).clamp_min(_LEAST).log()
            guided = torch.full_like(logits, -torch.inf)
            guided[likely] = logits[likely] + factors
            guided[ends] = logits[ends]
            if count == len(logits) or guided.max() >= others:
                return guided
            count = min(8 * count, len(logits))


@dataclass(eq=False)
class RampGuide:
    """A row's ramp on its way."""

    ramp: Ramp
    ends: Tensor

    def adjusted(self, logits: Tensor, new: int, *, whole: bool) -> Tensor:
        """Logits [vocab] with those of the ends raised, where `new` tokens are there already."""
        del whole
        left = (self.ramp.tokens - new) / self.ramp.tokens
        raised = 5 / (1 + math.exp(-5 * (0.3 - left))) + (10 if left <= 0 else 0)
        logits[self.ends.to(logits.device)] += raised
        return logits


def _check(tokens: int) -> None:
    if tokens < 1:
        raise InvalidRequest(f"a budget is {tokens} tokens: expected at least 1")
