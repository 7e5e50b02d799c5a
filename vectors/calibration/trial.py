"""What a calibration measures on, and the measuring: effects of a steering on observations, each one paired.

What is the same for every vector (the values without steering) is measured once.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vectors.engine.engine import Engine
from vectors.errors import CertificateError
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import METRICS, Observation
from vectors.progress import Progress
from vectors.steering.intervention import Intervention, Steering
from vectors.suggestions import did_you_mean


@dataclass(frozen=True)
class Trial:
    """The observations of one regime, and the metric they are measured by.

    proposal, certification: observations that share no text, or the same ones where there is nothing to
    choose. answers: one for each situation, on which the guard watches greedy answers. texts_sha256: hash of
    the texts. Raises CertificateError for a metric that does not exist, and for observations in fewer than
    two situations, which show no spread.
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

    @property
    def digest(self) -> str:
        """Of what the model is asked: prompts, texts, sampling."""
        asked = [
            (each.situation, each.prompt_ids, each.text, each.neutral, each.sampling, each.keywords)
            for each in (*self.proposal, *self.certification, *self.answers)
        ]
        return hashlib.sha256(repr((asked, len(self.proposal), len(self.answers))).encode()).hexdigest()


class Measured:
    """Measures effects for a trial; `tokens` counts forward tokens, before the engine shares any."""

    def __init__(self, engine: Engine, trial: Trial, journal: Journal, progress: Progress) -> None:
        self._engine, self._metric = engine, METRICS[trial.metric]
        self._journal, self._progress = journal, progress
        self._bare: dict[Observation, float] = {}
        self.tokens = 0

    def effects(
        self, label: str, observations: Sequence[Observation], steerings: Sequence[Intervention]
    ) -> list[list[float]]:
        """Steered − unsteered, [steerings][observations].

        What stands in front of one prompt is a unit, under all steerings at once.
        """
        situations: dict[tuple[int, bool], list[Observation]] = {}
        for each in observations:
            situations.setdefault((each.situation, each in self._bare), []).append(each)
        groups = list(situations.values())
        steered: list[Steering] = [(each,) for each in steerings]
        wanted: list[list[Steering]] = [
            steered[:] if group[0] in self._bare else [(), *steered] for group in groups
        ]
        makes = [
            partial(self._metric, self._engine, group, these)
            for group, these in zip(groups, wanted, strict=True)
        ]
        measured = self._journal.each(label, makes, self._progress)
        values: dict[Observation, list[float]] = {}
        for group, these, rows in zip(groups, wanted, measured, strict=True):
            self.tokens += len(these) * sum(each.tokens for each in group)
            changed = rows[-len(steerings) :]
            if len(these) > len(steerings):
                self._bare.update(zip(group, rows[0], strict=True))
            for number, each in enumerate(group):
                values[each] = [row[number] - self._bare[each] for row in changed]
        return [[values[each][number] for each in observations] for number in range(len(steerings))]
