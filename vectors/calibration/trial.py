"""What a calibration measures on, and the measuring: effects of a steering on observations, each one paired.

What is the same for every vector (the values without steering) is measured once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vectors.engine.engine import Engine
from vectors.errors import CertificateError
from vectors.measuring.metrics import METRICS, Observation
from vectors.steering import Steering
from vectors.suggestions import did_you_mean


@dataclass(frozen=True)
class Trial:
    """The observations of one regime, and the metric they are measured by.

    proposal, certification: observations that share no text. answers: one for each situation, on which the
    guard watches greedy answers. texts_sha256: hash of the texts. Raises CertificateError for a metric that
    does not exist, and for observations in fewer than two situations, which show no spread.
    """

    regime: str
    metric: str
    proposal: tuple[Observation, ...]
    certification: tuple[Observation, ...]
    answers: tuple[Observation, ...]
    texts_sha256: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise CertificateError(
                f"no metric {self.metric!r}: expected one of {', '.join(METRICS)}"
                f"{did_you_mean(self.metric, METRICS)}"
            )
        for split in (self.proposal, self.certification):
            if len({each.situation for each in split}) < 2:
                raise CertificateError(
                    "a calibration needs observations in at least two situations for proposals and as many "
                    "for certification; give a data set with more tasks"
                )


class Measured:
    """Measures effects for a trial; `tokens` counts forward tokens, before the engine shares any."""

    def __init__(self, engine: Engine, trial: Trial) -> None:
        self._engine, self._metric = engine, METRICS[trial.metric]
        self._bare: dict[Observation, float] = {}
        self.tokens = 0

    def effects(self, observations: Sequence[Observation], steering: Steering) -> list[float]:
        """Steered − unsteered, for each observation."""
        fresh = [each for each in observations if each not in self._bare]
        self.tokens += sum(each.tokens for each in [*fresh, *observations])
        self._bare.update(zip(fresh, self._metric(self._engine, fresh, None), strict=True))
        steered = self._metric(self._engine, observations, steering)
        return [value - self._bare[each] for value, each in zip(steered, observations, strict=True)]
