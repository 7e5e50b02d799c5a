"""From the certificates beside the vectors to what the policy `evidence` goes by.

Where a regime has several, the metric nearest to the task decides: what the answers are worth before what
text becomes likelier. A certificate that answers degenerate less is no reason to steer.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orchestrator.policy import DOMAINS, Evidence

if TYPE_CHECKING:
    from orchestrator.workbench import Workbench
    from vectors.certificates import Certificate

METRICS = ("gold", "validity", "likelihood", "keywords")
"""Nearest to the task first."""


def certificates(bench: "Workbench") -> list["Certificate"]:
    """The certificates of the nodes' vectors for this model in its dtype, certified or not.

    Raises CertificateError for a file that is malformed.
    """
    from vectors.certificates import load

    found = []
    for domain in DOMAINS:
        vector = bench.vectors.get(bench.model, domain, progress=bench.progress)
        found += load(bench.vectors.path(bench.model, domain), vector, bench.model)
    return found


def evidence(found: Iterable["Certificate"]) -> Mapping[tuple[str, str], Evidence]:
    """What was certified, by domain and regime."""
    usable = [each for each in found if each.certified and each.metric in METRICS]
    best_last = sorted(usable, key=lambda each: -METRICS.index(each.metric))
    return {
        (each.domain, each.regime): Evidence(each.layer, each.alpha, each.evidence()) for each in best_last
    }
