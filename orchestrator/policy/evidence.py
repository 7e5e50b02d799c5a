"""From the certificates beside the vectors to what the policy `evidence` goes by.

Where a regime has several, the metric nearest to the task decides: what the answers are worth before what
text becomes likelier. If that one found nothing, a gain in a lesser one is no reason to steer; nor is it ever
one that answers degenerate less.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.policy.decisions import DOMAINS, Certificates, Evidence, Facts

if TYPE_CHECKING:
    from vectors.calibration.certificates import Certificate
    from vectors.domains.library import VectorLibrary
    from vectors.models.loading import LanguageModel
    from vectors.progress import Progress

METRICS = ("gold", "validity", "likelihood", "keywords")
"""Nearest to the task first."""


def certificates(
    vectors: "VectorLibrary", model: "LanguageModel", progress: "Progress"
) -> list["Certificate"]:
    """The certificates of the nodes' vectors for this model in its dtype, certified or not.

    Raises CertificateError for a file that is malformed.
    """
    from vectors.calibration.certificates import load

    found = []
    for domain in DOMAINS:
        vector = vectors.get(model, domain, progress=progress)
        found += load(vectors.path(model, domain), vector, model)
    return found


def evidence(found: Iterable["Certificate"]) -> Certificates:
    """What the metric nearest to the task certified, of those that were measured, by domain and regime."""
    measured: dict[tuple[str, str], list[Certificate]] = defaultdict(list)
    for each in found:
        if each.metric in METRICS:
            measured[each.domain, each.regime].append(each)
    decided: dict[tuple[str, str], Evidence] = {}
    for where, certificates in measured.items():
        nearest = min((each.metric for each in certificates), key=METRICS.index)
        for each in certificates:
            if each.metric == nearest and each.certified:
                decided[where] = Evidence(
                    each.layer, each.alpha, _facts(each), each.operation, each.positions
                )
    return decided


def _facts(certificate: "Certificate") -> Facts:
    effect = certificate.effect
    return Facts.model_validate(
        {
            "regime": certificate.regime,
            "metric": certificate.metric,
            "n": effect.n,
            "effect": round(effect.value, 5),
            "interval": (round(effect.low, 5), round(effect.high, 5)),
            "p_adjusted": certificate.p_adjusted,
            "vector_sha256": certificate.vector_sha256,
        }
    )
