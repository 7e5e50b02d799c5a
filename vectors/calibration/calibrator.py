"""From a grid of layers and strengths to a certificate, or to the plain finding that there is none.

1. Every place of the grid is measured on the proposal split. The best whose greedy answers do not degenerate
   are proposed, at most two; the second is only looked at where the first fails.
2. A proposal has to stand out from controls of every kind at the same place. The level is a hundredth: the
   place was chosen for this vector and not for them, and no splitting of texts takes away the luck of a
   direction that means nothing.
3. It has to improve the metric on the certification split, on which nothing was chosen, with n ≥ 200 paired
   observations, steered − unsteered, after Holm over the whole grid.

A look before the last observation can only give up, never certify. A rule that stops for futility alone
cannot raise the rate of false certificates (Lan, Simon & Halperin 1982; non-binding, Snapinn et al. 2006).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vectors.calibration import certificates, controls
from vectors.calibration.certificates import Cell, Certificate, ControlResult
from vectors.calibration.controls import KINDS, Comparison, Controls
from vectors.calibration.trial import Measured, Trial
from vectors.domains.domain_vector import DomainVector
from vectors.engine.engine import Engine
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import Degeneration, Guard
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import CLAIM_N, Estimate
from vectors.statistics.tests import grouped_mean, holm, improvement_p
from vectors.steering.intervention import Intervention
from vectors.steering.positions import ALL, Positions
from vectors.steering.text import written_positions

LEVEL = 0.05
PROPOSALS = 2
FUTILITY_LOOK = 96


@dataclass(frozen=True)
class Manner:
    """What is done along a vector, and to which tokens of a prompt."""

    operation: str = "add"
    positions: Positions = ALL

    def steering(self, vector: DomainVector, layer: int, share: float) -> Intervention:
        """Steer with α = `share` of the residual stream's spread at a layer. Raises SteeringMismatch."""
        vector.intervention(layer, 1.0, self.operation)  # says what is wrong with a layer
        alpha = vector.at_share(layer, share, self.operation)
        return vector.intervention(layer, alpha, self.operation, self.positions)


@dataclass(frozen=True)
class _Verdict:
    """What became of one proposal; p is 1 where it was given up."""

    cell: Cell
    degeneration: Degeneration
    controls: tuple[ControlResult, ...]
    effect: Estimate
    p: float
    given_up: str = ""


class Calibrator:
    """Calibrates vectors of one model on one trial; what no vector depends on is measured once."""

    def __init__(
        self,
        lm: LanguageModel,
        engine: Engine,
        trial: Trial,
        controls: Controls,
        journal: Journal | None = None,
        progress: Progress = silent,
        manner: Manner | None = None,
    ) -> None:
        journal = journal or Journal()
        self._manner = manner or Manner()
        self._lm, self._trial = lm, trial
        self._measured = Measured(engine, trial, journal, progress)
        self._guard = Guard(engine, trial.answers, journal)
        self._comparison = Comparison(self._measured, trial, controls)

    @property
    def tokens(self) -> int:
        """Forward tokens asked for so far, before the engine shares any."""
        return self._measured.tokens + self._guard.tokens

    def run(
        self, vector: DomainVector, layers: Sequence[int], shares: Sequence[float]
    ) -> tuple[Certificate, ...]:
        """Calibrate a vector over layers × shares of the residual's spread.

        Returns a certificate for each proposal, certified or not; where nothing could be proposed, one for
        the best place of the grid. Raises SteeringMismatch for a layer that does not exist.
        """
        cells = self._grid(vector, layers, shares)
        verdicts: list[_Verdict] = []
        adjusted: list[float] = []
        for cell, degeneration in self._proposals(vector, cells):
            verdicts.append(self._verdict(vector, cell, degeneration))
            adjusted = holm([verdict.p for verdict in verdicts], len(cells))
            if adjusted[-1] <= LEVEL:
                break
        if not verdicts:
            return (self._nothing_proposed(vector, cells),)
        return tuple(
            self._decided(vector, cells, verdict, p) for verdict, p in zip(verdicts, adjusted, strict=True)
        )

    def _grid(self, vector: DomainVector, layers: Sequence[int], shares: Sequence[float]) -> tuple[Cell, ...]:
        places = [(layer, share) for layer in layers for share in shares]
        steerings = [self._manner.steering(vector, *place) for place in places]
        groups = [each.situation for each in self._trial.proposal]
        label = f"grid of {vector.domain}, {self._trial.regime}"
        measured = self._measured.effects(label, self._trial.proposal, steerings)
        return tuple(
            Cell(layer, share, steering.alpha, grouped_mean(effects, groups))
            for (layer, share), steering, effects in zip(places, steerings, measured, strict=True)
        )

    def _proposals(self, vector: DomainVector, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Degeneration]]:
        """The places whose effect is most surely above zero, without those that make answers degenerate."""
        found = 0
        for cell in sorted(_promising(cells), key=lambda cell: -cell.effect.low):
            watched = self._guard.watch(self._manner.steering(vector, cell.layer, cell.share))
            if not watched.harmful:
                yield cell, watched
                found += 1
            if found == PROPOSALS:
                return

    def _verdict(self, vector: DomainVector, cell: Cell, degeneration: Degeneration) -> _Verdict:
        steering = self._manner.steering(vector, cell.layer, cell.share)
        compared = self._comparison.against(steering)
        if (last := compared[-1]).p > controls.LEVEL:
            reason = (
                f"{last.value:+.3g} does not stand out from {last.vectors} {last.kind} controls "
                f"({last.mean:+.3g} ± {last.sd:.2g}, p = {last.p:.2g})"
            )
            return _Verdict(cell, degeneration, compared, cell.effect, 1.0, reason)
        observations, values = self._trial.certification, list[float]()
        groups = [each.situation for each in observations]
        label = f"certifying layer {cell.layer}, {cell.share:g} of the spread"
        for look in (FUTILITY_LOOK, len(observations)):
            values += self._measured.effects(label, observations[len(values) : look], [steering])[0]
            effect, p = (
                grouped_mean(values, groups[: len(values)]),
                improvement_p(values, groups[: len(values)]),
            )
            if p > 0.5:
                reason = f"no improvement after {len(values)} observations"
                return _Verdict(cell, degeneration, compared, effect, 1.0, reason)
        return _Verdict(cell, degeneration, compared, effect, p)

    def _nothing_proposed(self, vector: DomainVector, cells: tuple[Cell, ...]) -> Certificate:
        n, promising = len(self._trial.proposal), _promising(cells)
        reason = (
            f"every setting that improves {self._trial.metric} makes answers degenerate"
            if promising
            else f"no setting improves {self._trial.metric} on the proposal split (n = {n})"
        )
        best = max(promising or cells, key=lambda cell: cell.effect.value)
        return self._certificate(vector, cells, best, effect=best.effect, certified=False, reason=reason)

    def _decided(
        self, vector: DomainVector, cells: tuple[Cell, ...], verdict: _Verdict, adjusted: float
    ) -> Certificate:
        effect, reason = verdict.effect, verdict.given_up
        if not reason and effect.n < CLAIM_N:
            reason = f"n = {effect.n} observations: nothing is certified from fewer than {CLAIM_N}"
        elif not reason and adjusted > LEVEL:
            reason = f"not significant after Holm over {len(cells)} places (p = {adjusted:.2g})"
        return self._certificate(
            vector,
            cells,
            verdict.cell,
            effect=effect,
            p=verdict.p,
            p_adjusted=adjusted,
            controls=verdict.controls,
            degeneration=verdict.degeneration,
            certified=not reason,
            reason=reason
            or f"{self._trial.metric} {effect.value:+.4g} (95 % {effect.low:+.4g} to {effect.high:+.4g}, "
            f"n = {effect.n}), standing out from {', '.join(KINDS)} controls",
        )

    def _certificate(
        self,
        vector: DomainVector,
        tried: tuple[Cell, ...],
        cell: Cell,
        *,
        effect: Estimate,
        certified: bool,
        reason: str,
        p: float = 1.0,
        p_adjusted: float = 1.0,
        controls: tuple[ControlResult, ...] = (),
        degeneration: Degeneration | None = None,
    ) -> Certificate:
        return Certificate(
            domain=vector.domain,
            vector_sha256=vector.sha256,
            model_id=self._lm.model_id,
            model_digest=self._lm.digest,
            dtype=certificates.dtype_name(self._lm),
            regime=self._trial.regime,
            metric=self._trial.metric,
            layer=cell.layer,
            alpha=cell.alpha,
            relative_alpha=cell.share,
            situations=len({each.situation for each in self._trial.certification}),
            tried=tried,
            texts_sha256=self._trial.texts_sha256,
            seed=self._trial.seed,
            versions=certificates.versions(),
            effect=effect,
            certified=certified,
            reason=reason,
            p=p,
            p_adjusted=p_adjusted,
            controls=controls,
            degeneration=degeneration,
            operation=self._manner.operation,
            positions=written_positions(self._manner.positions),
        )


def _promising(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.effect.value > 0]
