"""A sparse autoencoder in training: what all architectures share, as one step with its gradients by hand.

Why by hand: the gradients of a code's factors are sums over the few features that are active
(`vectors.lab.sae.codes`), of which automatic differentiation knows nothing. A test holds them against it.

Residuals are scaled so that a channel's variance is one, so that a recipe means the same for every model. The
decoder's rows have norm one after every step (Bricken et al. 2023, "Towards Monosemanticity"), so that a
penalty on activations cannot be met by long rows. Features that have been silent for long learn from what the
others leave unexplained (AuxK, Gao et al. 2024, arXiv 2406.04093, section 2.4).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from vectors.lab.sae.codes import Code, Sparse

_DEAD_TOKENS = 1 << 19
"""A feature that was silent for so many tokens counts as dead."""
_AUX_WEIGHT = 1 / 32
_WARM_UP, _DECAY = 0.05, 0.2
"""Shares of the steps over which the learning rate rises at first, and falls to zero in the end."""


@dataclass(frozen=True)
class Recipe:
    """How one autoencoder is trained. `sparsity` is k, a token's active features, or the weight of L1."""

    architecture: str
    d_sae: int
    sparsity: float
    seed: int = 0
    batch_tokens: int = 4096
    learning_rate: float = 3e-4
    epochs: int = 1

    @property
    def name(self) -> str:
        """What its folder is called."""
        what = "l1_" if self.architecture == "standard" else "k"
        return f"{self.architecture}-{self.d_sae}-{what}{self.sparsity:g}-seed{self.seed}"


class Stepped(NamedTuple):
    """What one step saw: squared error per channel of variance one, active features of a token, the share of
    the batch's variance that is explained, and the share of features that are dead."""

    loss: float
    l0: float
    explained: float
    dead: float


class Learner(ABC):
    """One autoencoder, from its first weights to its last.

    weights: W_enc [d_sae, d_model] (a feature's weights side by side, unlike in files), b_enc [d_sae],
    W_dec [d_sae, d_model], b_dec [d_model], and what an architecture adds. All are float32; the encoder's
    product is computed in `dtype`. mean [d_model] and scale are those of the residuals.
    """

    saved_as: ClassVar[str]
    """The architecture that inference knows it by."""
    initial_gain: ClassVar[float] = 1.0
    """The encoder begins as the decoder's transpose times this."""
    revives: ClassVar[bool] = True

    def __init__(self, recipe: Recipe, mean: Tensor, scale: float, steps: int, dtype: torch.dtype) -> None:
        self.recipe, self.scale, self.steps, self.dtype = recipe, scale, steps, dtype
        generator = torch.Generator().manual_seed(recipe.seed)
        rows = torch.randn(recipe.d_sae, len(mean), generator=generator).to(mean.device)
        rows /= rows.norm(dim=1, keepdim=True)
        self.weights = {
            "W_enc": rows * self.initial_gain,
            "b_enc": mean.new_zeros(recipe.d_sae),
            "W_dec": rows,
            "b_dec": mean * scale,
            **self.further(mean.new_zeros(recipe.d_sae)),
        }
        self.step_number = 0
        self._silent = torch.zeros(recipe.d_sae, dtype=torch.long, device=mean.device)
        self._adam = torch.optim.Adam(list(self.weights.values()), betas=(0.9, 0.999), fused=True)

    def further(self, zeros: Tensor) -> dict[str, Tensor]:
        """The weights [d_sae] that an architecture has beside those of all."""
        del zeros
        return {}

    @abstractmethod
    def select(self, activations: Tensor) -> Code:
        """The code of a batch, of activations [batch, d_sae] before any non-linearity."""

    def slopes(self, code: Code, of_error: Tensor, gradients: dict[str, Tensor]) -> Tensor:
        """The loss's slopes along the activations, in the code's layout, of those of the squared error.

        Zero where a feature is silent. Architectures add those of a penalty, and their own `gradients`.
        """
        del gradients
        return of_error * (code.values > 0)

    @torch.no_grad()
    def step(self, hidden: Tensor) -> Stepped:
        """Learn from a batch of residuals [batch, d_model]."""
        wanted = hidden.float() * self.scale
        gradients, error, code = self.gradients(wanted)
        self._learn(gradients)
        self._silent += len(wanted)
        self._silent[code.active() > 0] = 0
        squared = float(error.square().sum())
        spread = float((wanted - wanted.mean(0)).square().sum())
        return Stepped(
            loss=squared / wanted.numel(),
            l0=float((code.values > 0).sum()) / len(wanted),
            explained=1 - squared / max(spread, 1e-12),
            dead=float(self.dead.float().mean()),
        )

    def gradients(self, wanted: Tensor) -> tuple[dict[str, Tensor], Tensor, Code]:
        """The gradients of a batch of scaled residuals, what its reconstruction is off by, and its code."""
        encoder, decoder = self.weights["W_enc"], self.weights["W_dec"]
        centred = wanted - self.weights["b_dec"]
        low = (self.weights["b_enc"], centred, encoder)
        bias, inputs, rows = (each.to(self.dtype) for each in low)
        activations = torch.addmm(bias, inputs, rows.T)
        code = self.select(activations)
        error = code.decode(decoder).add_(self.weights["b_dec"]).sub_(wanted)
        per_error = error * (2 / len(wanted))
        found: dict[str, Tensor] = {}
        before = code.holding(self.slopes(code, code.along(per_error, decoder), found))
        found["W_dec"] = code.gathered(per_error)
        found["W_enc"] = before.gathered(centred)
        found["b_enc"] = before.totals()
        found["b_dec"] = per_error.sum(0) - found["b_enc"] @ encoder
        if self.revives and bool(self.dead.any()):
            self._revive(activations, centred, error, found)
        return found, error, code

    def _revive(self, activations: Tensor, centred: Tensor, error: Tensor, found: dict[str, Tensor]) -> None:
        """Add what the dead features learn: a code of theirs for what is missing.

        As many at a token as are active otherwise, where Gao et al. take half of d_model: a step then costs
        twice as much, not ten times.
        """
        dead = self.dead.nonzero()[:, 0]
        most = min(len(dead), max(1, round(self.recipe.sparsity)))
        largest, where = activations[:, dead].topk(most, dim=1, sorted=False)
        code = Sparse.even(dead[where], largest.float().relu(), self.recipe.d_sae)
        missed = code.decode(self.weights["W_dec"]).add_(error).mul_(2 * _AUX_WEIGHT / len(error))
        slopes = code.along(missed, self.weights["W_dec"]) * (code.values > 0)
        before = code.holding(slopes)
        found["W_dec"] += code.gathered(missed)
        found["W_enc"] += before.gathered(centred)
        found["b_enc"] += before.totals()

    def _learn(self, gradients: Mapping[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.grad = gradients[name]
        done = self.step_number / self.steps
        warm = (self.step_number + 1) / max(1.0, _WARM_UP * self.steps)
        self._adam.param_groups[0]["lr"] = self.recipe.learning_rate * min(1.0, warm, (1 - done) / _DECAY)
        self._adam.step()
        decoder = self.weights["W_dec"]
        decoder /= torch.linalg.vector_norm(decoder, dim=1, keepdim=True)
        self.step_number += 1

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return self._silent.device

    @property
    def dead(self) -> Tensor:
        """Which features have been silent for long, [d_sae]."""
        return self._silent > _DEAD_TOKENS

    def saved(self) -> tuple[dict[str, object], dict[str, Tensor]]:
        """What `cfg.json` says of the architecture, and the tensors of a file, for residuals as they are.

        Every architecture is homogeneous in its input, biases and thresholds together, so that these are all
        that the scale is taken out of.
        """
        tensors = {name: weight.detach().cpu() for name, weight in self.weights.items()}
        tensors["W_enc"] = tensors["W_enc"].T.contiguous()
        for name in tensors.keys() - {"W_enc", "W_dec"}:
            tensors[name] = tensors[name] / self.scale
        return {"architecture": self.saved_as}, tensors

    def state(self) -> dict[str, Tensor]:
        """All that training goes on from."""
        found = {f"weight.{name}": weight.detach() for name, weight in self.weights.items()}
        found |= {"silent": self._silent, "step_number": torch.tensor(self.step_number)}
        for name, weight in self.weights.items():
            for key, value in self._adam.state[weight].items():
                found[f"adam.{name}.{key}"] = value
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        for name, weight in self.weights.items():
            weight.copy_(state[f"weight.{name}"])
            keys = {key.rpartition(".")[2]: key for key in state if key.startswith(f"adam.{name}.")}
            self._adam.state[weight] = {short: state[key].clone() for short, key in keys.items()}
        self._silent = state["silent"].clone()
        self.step_number = int(state["step_number"])


def scaling(hidden: Tensor) -> tuple[Tensor, float]:
    """The mean [d_model] of residuals [tokens, d_model], and what scales a channel's variance to one.

    By the median distance from the mean: the few tokens on which attention rests are far away.
    """
    mean = hidden.float().mean(0)
    distance = (hidden.float() - mean).norm(dim=1).median()
    return mean, math.sqrt(hidden.shape[1]) / max(float(distance), 1e-12)
