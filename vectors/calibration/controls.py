"""Vectors that a domain's vector must stand out from, so that "any push of this size does it" is ruled out.

`shuffled`: the contrast of the same prompts under random labels. A vector whose labels mean nothing is
exchangeable with these, so they bound how often such a one is certified (a permutation test's null).
`orthogonal`: the same, with the component along the domain's vector taken out. `random`: any direction of the
residual stream, Gaussian; most of these lie where the stream hardly varies and move the model little.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Literal, get_args

import torch
from torch import Tensor

from vectors.calibration.certificates import ControlResult
from vectors.calibration.trial import Measured, Trial
from vectors.domains.activations import pooled
from vectors.domains.prompt_sets import PromptSet
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.tests import outlier_p
from vectors.steering.intervention import Intervention

Kind = Literal["shuffled", "orthogonal", "random"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LEVEL = 0.01
COUNTS: dict[Kind, int] = {"shuffled": 32, "orthogonal": 6, "random": 6}
"""The effect of shuffled labels goes with how many of them happen to be right, so their spread is wide and
has to be known well; the other kinds hardly move the metric (SmolLM2-135M, code_reading, layer 16, 0.1 of the
residual: the domain's vector +0.33 nats per token, standard deviations 0.11, 0.04 and 0.05)."""
_OBSERVATIONS, _SITUATIONS = 16, 8


class Controls:
    """Directions of each kind, the same ones for the same seed. A control's length does not matter."""

    def __init__(
        self, lm: LanguageModel, prompt_set: PromptSet, seed: int, progress: Progress = silent
    ) -> None:
        texts = (*prompt_set.positive, *prompt_set.negative)
        label = f"reading the prompts of {prompt_set.domain}"
        self._residuals = pooled(lm, texts, progress=progress, label=label).residuals
        self._seed = seed

    def relabelled(self, number: int) -> Tensor:
        """The contrast [n_layers, d_model] under the `number`-th random labelling, half of them positive."""
        generator = torch.Generator().manual_seed(_seed(self._seed, "shuffled", number))
        order = torch.randperm(len(self._residuals), generator=generator)
        half = len(order) // 2
        contrast: Tensor = self._residuals[order[:half]].mean(0) - self._residuals[order[half:]].mean(0)
        return contrast

    def directions(self, kind: Kind, direction: Tensor, layer: int) -> list[Tensor]:
        """The controls [d_model] of a kind for `direction` [d_model] at a layer."""
        numbers = range(COUNTS[kind])
        if kind == "random":
            generators = [torch.Generator().manual_seed(_seed(self._seed, kind, i)) for i in numbers]
            return [torch.randn(direction.shape, generator=generator) for generator in generators]
        found = [self.relabelled(i)[layer] for i in numbers]
        return found if kind == "shuffled" else _without(found, direction)


class Comparison:
    """Compares the effect of vectors with that of controls of the same norm at the same place.

    On a few observations of the certification split, the same for all. The effects of controls that do not
    depend on the vector are measured once.
    """

    def __init__(self, measured: Measured, trial: Trial, controls: Controls) -> None:
        situations = list(dict.fromkeys(each.situation for each in trial.certification))[:_SITUATIONS]
        near = [each for each in trial.certification if each.situation in situations]
        self._sample = near[:_OBSERVATIONS]
        self._measured, self._controls = measured, controls
        self._known: dict[tuple[Kind, int, float], list[float]] = {}

    def against(self, steering: Intervention) -> tuple[ControlResult, ...]:
        """Compare kind by kind, up to the first that the vector does not stand out from at LEVEL."""
        (value,) = self._mean_effects("the vector beside its controls", [steering])
        results: list[ControlResult] = []
        for kind in KINDS:
            means = self._control_effects(kind, steering)
            p, n = outlier_p(value, means), len(self._sample)
            results.append(ControlResult(kind, len(means), n, fmean(means), stdev(means), value, p))
            if p > LEVEL:
                break
        return tuple(results)

    def _control_effects(self, kind: Kind, steering: Intervention) -> list[float]:
        key = (kind, steering.layer, steering.alpha)
        if kind != "orthogonal" and key in self._known:
            return self._known[key]
        directions = self._controls.directions(kind, steering.vector, steering.layer)
        pushes = [replace(steering, vector=direction) for direction in directions]
        self._known[key] = means = self._mean_effects(f"{kind} controls", pushes)
        return means

    def _mean_effects(self, label: str, steerings: Sequence[Intervention]) -> list[float]:
        return [fmean(effects) for effects in self._measured.effects(label, self._sample, steerings)]


def _without(vectors: Sequence[Tensor], direction: Tensor) -> list[Tensor]:
    unit = direction / direction.norm()
    return [vector - (vector @ unit) * unit for vector in vectors]


def _seed(seed: int, kind: Kind, number: int) -> int:
    """Another for every seed, kind and number."""
    return (seed * 1_000_003 + number) * len(KINDS) + KINDS.index(kind)
