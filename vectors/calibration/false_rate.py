"""How often a vector that means nothing is certified: calibration of vectors from shuffled labels.

The runs share what no vector depends on: texts, unsteered values and the effects of control vectors. The rate
is therefore that of a calibration with these controls, not an average over all controls.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vectors.calibration.calibrator import Calibrator
from vectors.calibration.certificates import Certificate
from vectors.calibration.controls import Controls
from vectors.domains.domain_vector import DomainVector
from vectors.progress import Progress
from vectors.statistics.estimates import Estimate, rate

_FIRST = 1_000_000
"""Labellings from here on; those below are for controls."""


@dataclass(frozen=True)
class FalseRate:
    """Share of runs that certified something, with its exact interval, and the first certificate of each."""

    rate: Estimate
    outcomes: tuple[Certificate, ...]


def false_certification_rate(
    calibrator: Calibrator,
    controls: Controls,
    vector: DomainVector,
    layers: Sequence[int],
    shares: Sequence[float],
    runs: int,
    progress: Progress,
) -> FalseRate:
    """Calibrate `runs` vectors of the domain's prompts under random labels, each over layers × shares.

    `vector` is the domain's own, for the residual's spreads.
    """
    outcomes: list[Certificate] = []
    for run in range(runs):
        progress("shuffled labels", run, runs)
        shuffled = replace(vector, directions=controls.relabelled(_FIRST + run))
        found = calibrator.run(shuffled, layers, shares)
        outcomes.append(next((each for each in found if each.certified), found[0]))
    progress("shuffled labels", runs, runs)
    certified = sum(each.certified for each in outcomes)
    return FalseRate(rate(certified, runs, "exact"), tuple(outcomes))
