"""Vectors of features under the certificates' own rules: what they do to a domain's held-out texts and to
neutral ones, against random features of the same norm at the same place.

It is a family of tests: every vector in every mode is one, and p is Holm's over all of them. Observations
come from the certification split alone, since nothing is chosen on texts here; those before one prompt are
not independent, so that intervals and tests are over prompts. What fails on the texts is not asked for
answers any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from orchestrator.calibration.trials import Size, build_trial
from orchestrator.lab.sae_choosing import Made
from orchestrator.session import Session
from vectors.calibration import certificates
from vectors.calibration.calibrator import LEVEL
from vectors.calibration.certificates import Cell, Certificate, ControlResult
from vectors.calibration.controls import LEVEL as CONTROL_LEVEL
from vectors.calibration.trial import Measured, Trial
from vectors.domains.domain_vector import DomainVector
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import Degeneration, Guard
from vectors.statistics.estimates import CLAIM_N, Estimate
from vectors.statistics.tests import grouped_mean, holm, improvement_p, outlier_p
from vectors.steering.intervention import Intervention

MODES = ("add", "multiply")
_ISSUE_TOKENS = 48
"""As in other calibrations of many vectors: short prompts."""
_WATCHED = 8
_COMPARED = 32
"""Observations on which random features are measured."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """A vector in a mode. gains: how much likelier steering makes each held-out text less each neutral one,
    harms: how much less likely the neutral ones; nats a token, [observations].
    """

    steering: Intervention
    gains: list[float]
    harms: list[float]


@dataclass(frozen=True, eq=False)
class Measurements:
    """All vectors by name and mode on one trial. Observations of a situation are not independent; controls
    are measured on those whose numbers are `compared`.
    """

    situations: tuple[int, ...]
    compared: range
    by_vector: Mapping[tuple[str, str], Measurement]

    def effect(self, name: str, mode: str) -> Estimate:
        """Of the vector on its domain's texts, beyond what it does to neutral ones."""
        return grouped_mean(self.by_vector[name, mode].gains, self.situations)

    def harm(self, name: str, mode: str) -> Estimate:
        """To neutral texts."""
        return grouped_mean(self.by_vector[name, mode].harms, self.situations)

    def less_harm(self, names: Sequence[str], than: Sequence[str], mode: str) -> Estimate:
        """By how much the mean harm of some vectors is below that of others, paired by text."""
        rows = [[self.by_vector[name, mode].harms for name in those] for those in (than, names)]
        means = [[fmean(column) for column in zip(*those, strict=True)] for those in rows]
        apart = [one - other for one, other in zip(*means, strict=True)]
        return grouped_mean(apart, self.situations)


class Certifying:
    """Measures and certifies vectors of a domain at one layer and share of the residual's spread."""

    def __init__(
        self, session: Session, domain: str, layer: int, share: float, n: int, seed: int, journal: Journal
    ) -> None:
        size = Size(n=n, proposal_n=0, issue_tokens=_ISSUE_TOKENS, watched=_WATCHED)
        whole = build_trial(session, domain, "zero-shot", "likelihood", size, seed=seed, journal=journal)
        self._session, self._layer, self._share = session, layer, share
        self._journal = journal
        texts = [replace(each, neutral=()) for each in whole.certification]
        neutral = [replace(each, text=each.neutral, neutral=()) for each in whole.certification]
        self.trial: Trial = whole
        self._parts = replace(whole, metric="gold", proposal=tuple(texts), certification=tuple(neutral))

    def measure(self, vectors: Sequence[DomainVector], controls: Sequence[DomainVector]) -> Measurements:
        """What every vector does in every mode to every text, and every control to some of them."""
        texts, neutral = self._parts.proposal, self._parts.certification
        engine, progress = self._session.engine, self._session.progress
        self._journal.begin(
            [
                *certificates.of_model(self._session.model),
                [each.sha256 for each in (*vectors, *controls)],
                [self._parts.digest, self._layer, self._share],
            ]
        )
        measured = Measured(engine, self._parts, self._journal, progress)
        found: dict[tuple[str, str], Measurement] = {}
        compared = range(0, len(texts), max(1, len(texts) // _COMPARED))
        for label, own, numbers in (
            ("scoring texts", vectors, range(len(texts))),
            ("scoring texts under random features", controls, compared),
        ):
            both = [(each, mode) for each in own for mode in MODES]
            steerings = [self._steering(each, mode) for each, mode in both]
            observations = [part[number] for number in numbers for part in (texts, neutral)]
            effects = measured.effects(label, observations, steerings)
            for (vector, mode), steering, values in zip(both, steerings, effects, strict=True):
                liked, disliked = values[::2], [-each for each in values[1::2]]
                gains = [one + other for one, other in zip(liked, disliked, strict=True)]
                found[vector.domain, mode] = Measurement(steering, gains, disliked)
        return Measurements(tuple(each.situation for each in texts), compared, found)

    def certify(
        self, made: Sequence[Made], controls: Sequence[DomainVector], of: Measurements
    ) -> dict[tuple[str, str], Certificate]:
        """A certificate for each vector and mode, certified or not."""
        keys = [(each.vector.domain, mode) for each in made for mode in MODES]
        vectors = {each.vector.domain: each.vector for each in made}
        p = [improvement_p(of.by_vector[key].gains, of.situations) for key in keys]
        adjusted = holm(p, len(keys))
        guard = Guard(self._session.engine, self.trial.answers, self._journal)
        found = {}
        for key, raw, holms in zip(keys, p, adjusted, strict=True):
            against = self._against(key, controls, of)
            reason, watched = self._fault(of.effect(*key), holms, len(keys), against), None
            if not reason:
                watched = guard.watch(of.by_vector[key].steering)
                reason = "its answers degenerate" if watched.harmful else ""
            found[key] = self._certificate(vectors[key[0]], key[1], of, raw, holms, against, watched, reason)
        return found

    def _steering(self, vector: DomainVector, mode: str) -> Intervention:
        return vector.intervention(self._layer, vector.at_share(self._layer, self._share, mode), mode)

    def _against(
        self, key: tuple[str, str], controls: Sequence[DomainVector], of: Measurements
    ) -> ControlResult:
        means = [fmean(of.by_vector[each.domain, key[1]].gains) for each in controls]
        value = fmean(of.by_vector[key].gains[number] for number in of.compared)
        p = outlier_p(value, means)
        return ControlResult("features", len(means), len(of.compared), fmean(means), stdev(means), value, p)

    def _fault(self, effect: Estimate, adjusted: float, family: int, against: ControlResult) -> str:
        """Why it is not certified, as far as texts say."""
        if against.p > CONTROL_LEVEL:
            return (
                f"{against.value:+.3g} does not stand out from {against.vectors} random features "
                f"({against.mean:+.3g} ± {against.sd:.2g}, p = {against.p:.2g})"
            )
        if effect.n < CLAIM_N:
            return f"n = {effect.n} observations: nothing is certified from fewer than {CLAIM_N}"
        if adjusted > LEVEL:
            return f"not significant after Holm over {family} vectors and modes (p = {adjusted:.2g})"
        return ""

    def _certificate(
        self,
        vector: DomainVector,
        mode: str,
        of: Measurements,
        p: float,
        adjusted: float,
        against: ControlResult,
        watched: Degeneration | None,
        reason: str,
    ) -> Certificate:
        lm, effect = self._session.model, of.effect(vector.domain, mode)
        alpha = of.by_vector[vector.domain, mode].steering.alpha
        return Certificate(
            domain=vector.domain,
            vector_sha256=vector.sha256,
            model_id=lm.model_id,
            model_digest=lm.digest,
            dtype=certificates.dtype_name(lm),
            regime=self.trial.regime,
            metric=self.trial.metric,
            layer=self._layer,
            alpha=alpha,
            relative_alpha=self._share,
            effect=effect,
            situations=len(set(of.situations)),
            p=p,
            p_adjusted=adjusted,
            controls=(against,),
            degeneration=watched,
            certified=not reason,
            reason=reason
            or f"{self.trial.metric} {effect.value:+.4g} (95 % {effect.low:+.4g} to {effect.high:+.4g}, "
            f"n = {effect.n}), standing out from {against.vectors} random features",
            tried=(Cell(self._layer, self._share, alpha, effect),),
            texts_sha256=self.trial.texts_sha256,
            seed=self.trial.seed,
            versions=certificates.versions(),
            operation=mode,
        )
