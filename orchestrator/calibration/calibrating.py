"""One calibration from what a user names to certificates beside the vector: what `vectors calibrate` does."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from orchestrator.calibration.situations import check_asked
from orchestrator.calibration.trials import CHEAP, Size, build_trial
from orchestrator.policy.decisions import Regime
from orchestrator.session import Session
from vectors.calibration.calibrator import Calibrator, Manner
from vectors.calibration.certificates import Certificate, of_model, store
from vectors.calibration.controls import Controls
from vectors.calibration.false_rate import FalseRate, false_certification_rate
from vectors.domains.domain_vector import DomainVector
from vectors.measuring.journal import Journal
from vectors.progress import silent
from vectors.steering.text import written_positions


@dataclass(frozen=True)
class Asked:
    """What is to be calibrated: a domain in a regime by a metric, on a grid of layers and shares of the
    residual's spread, with at most `n` observations to certify on.

    `manner` is what is done along the vector, and to which tokens. Without `layers` the domain's own are
    taken. `shuffled_runs` asks for the rate at which so many vectors from shuffled labels are certified, on
    short prompts, instead of for a certificate.
    """

    domain: str
    regime: Regime
    metric: str
    shares: Sequence[float]
    layers: Sequence[int] | None = None
    n: int = 200
    dataset: str = "bundled"
    texts: Path | None = None
    seed: int = 0
    shuffled_runs: int | None = None
    manner: Manner = field(default_factory=Manner)
    vector: DomainVector | None = None
    """In place of the domain's own; its certificates are returned, and kept nowhere."""


@dataclass(frozen=True)
class Calibration:
    """What was calibrated, on how much, and what it cost: `situations` and observations of both splits.

    found: the certificates, which `file` holds, or the rate of vectors from shuffled labels.
    """

    domain: str
    regime: Regime
    metric: str
    model: str
    situations: int
    proposal: int
    certification: int
    found: Sequence[Certificate] | FalseRate
    file: Path | None
    forward_tokens: int
    seconds: float

    @property
    def certified(self) -> bool:
        """Whether anything is certified."""
        found = self.found.outcomes if isinstance(self.found, FalseRate) else self.found
        return any(each.certified for each in found)

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        named = {name: getattr(self, name) for name in ("domain", "regime", "metric", "model", "situations")}
        named |= {"n": {"proposal": self.proposal, "certification": self.certification}}
        cost = {"forward_tokens": self.forward_tokens, "seconds": round(self.seconds, 1)}
        if isinstance(self.found, FalseRate):
            outcomes = [{"certified": each.certified, "reason": each.reason} for each in self.found.outcomes]
            rate = asdict(self.found.rate)
            return {**named, "runs": len(outcomes), "rate": rate, "outcomes": outcomes, **cost}
        certificates = [{"steering": each.steering, **each.as_dict()} for each in self.found]
        file = str(self.file)
        return {**named, "certified": self.certified, "file": file, "certificates": certificates, **cost}


def calibrated(session: Session, asked: Asked, journal: Journal | None = None) -> Calibration:
    """Calibrate, keep the certificates beside the vector, and say what was found and what it cost.

    What is measured is kept in `journal`; how much there is depends on what is found. Raises what
    `build_trial` raises, PromptSetError for an unknown domain.
    """
    started, progress, runs = time.perf_counter(), session.progress, asked.shuffled_runs
    journal = journal or Journal()
    domains = session.vectors.domains
    prompt_set = domains.load(asked.domain).prompts
    check_asked(asked.domain, asked.regime, asked.metric, prompt_set.keywords)
    if asked.metric == "likelihood":
        domains.heldout(asked.domain, asked.texts)  # what is wrong with it is told before a model is loaded
    vector = asked.vector or session.vectors.get(session.model, asked.domain, progress=progress)
    layers = list(asked.layers or _default_layers(vector, single=runs is not None))
    shares = list(asked.shares)
    size = replace(CHEAP if runs else Size(), n=asked.n)
    if len(layers) * len(shares) == 1 and not runs:
        size = replace(size, proposal_n=0)
    trial = build_trial(
        session,
        asked.domain,
        asked.regime,
        asked.metric,
        size,
        dataset=asked.dataset,
        texts=asked.texts,
        seed=asked.seed,
        journal=journal,
    )
    controls = Controls(session.model, prompt_set, asked.seed, progress)
    manner = [asked.manner.operation, written_positions(asked.manner.positions)]
    grid = [asked.regime, asked.metric, layers, shares, asked.seed, runs, manner]
    journal.begin([*of_model(session.model), vector.sha256, prompt_set.digest, trial.digest, grid])
    quiet = silent if runs else progress
    calibrator = Calibrator(session.model, session.engine, trial, controls, journal, quiet, asked.manner)
    found: Sequence[Certificate] | FalseRate
    file = None
    if runs:
        found = false_certification_rate(calibrator, controls, vector, layers, shares, runs, progress)
    else:
        found = certified = calibrator.run(vector, layers, shares)
        if asked.vector is None:
            file = store(session.vectors.path(session.model, asked.domain), certified)
    return Calibration(
        asked.domain,
        asked.regime,
        asked.metric,
        session.model.model_id,
        situations=len({each.situation for each in trial.certification}),
        proposal=len(trial.proposal),
        certification=len(trial.certification),
        found=found,
        file=file,
        forward_tokens=calibrator.tokens,
        seconds=time.perf_counter() - started,
    )


def _default_layers(vector: DomainVector, *, single: bool) -> list[int]:
    """The domain's default layer; in a grid also those at two and at four thirds of its depth."""
    layer, last = vector.default_layer, len(vector.directions) - 1
    around = [layer] if single else [round(layer * 2 / 3), layer, min(last, round(layer * 4 / 3))]
    return sorted(set(around))
