"""One calibration from what a user names to certificates beside the vector: what `vectors calibrate` does."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.calibration.situations import check_asked
from orchestrator.calibration.trials import CHEAP, Size, build_trial
from orchestrator.policy.decisions import Regime
from orchestrator.session import Session
from vectors.calibration.calibrator import Calibrator
from vectors.calibration.certificates import store
from vectors.calibration.controls import Controls
from vectors.calibration.false_rate import false_certification_rate
from vectors.domains.domain_vector import DomainVector
from vectors.progress import silent


@dataclass(frozen=True)
class Asked:
    """What is to be calibrated: a domain in a regime by a metric, on a grid of layers and shares of the
    residual norm, with at most `n` observations to certify on.

    Without `layers` the domain's own are taken. `shuffled_runs` asks for the rate at which so many vectors
    from shuffled labels are certified, on short prompts, instead of for a certificate.
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


def calibrated(session: Session, asked: Asked) -> dict[str, Any]:
    """Calibrate, keep the certificates beside the vector, and say what was found and what it cost.

    Raises what `build_trial` raises, PromptSetError for an unknown domain.
    """
    started, progress, runs = time.perf_counter(), session.progress, asked.shuffled_runs
    domains = session.vectors.domains
    prompt_set = domains.load(asked.domain).prompts
    check_asked(asked.domain, asked.regime, asked.metric, prompt_set.keywords)
    if asked.metric == "likelihood":
        domains.heldout(asked.domain, asked.texts)  # what is wrong with it is told before a model is loaded
    vector = session.vectors.get(session.model, asked.domain, progress=progress)
    trial = build_trial(
        session,
        asked.domain,
        asked.regime,
        asked.metric,
        replace(CHEAP if runs else Size(), n=asked.n),
        dataset=asked.dataset,
        texts=asked.texts,
        seed=asked.seed,
    )
    controls = Controls(session.model, prompt_set, asked.seed, progress)
    calibrator = Calibrator(session.model, session.engine, trial, controls, silent if runs else progress)
    layers = list(asked.layers or _default_layers(vector, single=runs is not None))
    shares = list(asked.shares)
    report: dict[str, Any] = {
        "domain": asked.domain,
        "regime": asked.regime,
        "metric": asked.metric,
        "model": session.model.model_id,
        "situations": len({each.situation for each in trial.certification}),
        "n": {"proposal": len(trial.proposal), "certification": len(trial.certification)},
    }
    if runs:
        found = false_certification_rate(calibrator, controls, vector, layers, shares, runs, progress)
        report |= {"runs": runs, "rate": asdict(found.rate)}
        report["outcomes"] = [{"certified": each.certified, "reason": each.reason} for each in found.outcomes]
    else:
        certificates = calibrator.run(vector, layers, shares)
        file = store(session.vectors.path(session.model, asked.domain), certificates)
        report |= {"certified": any(each.certified for each in certificates), "file": str(file)}
        report["certificates"] = [each.as_dict() for each in certificates]
    seconds = time.perf_counter() - started
    return report | {"forward_tokens": calibrator.tokens, "seconds": round(seconds, 1)}


def _default_layers(vector: DomainVector, *, single: bool) -> list[int]:
    """The domain's default layer; in a grid also those at two and at four thirds of its depth."""
    layer, last = vector.default_layer, len(vector.directions) - 1
    around = [layer] if single else [round(layer * 2 / 3), layer, min(last, round(layer * 4 / 3))]
    return sorted(set(around))
