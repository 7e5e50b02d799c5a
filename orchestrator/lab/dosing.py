"""How strongly a vector may steer before plain text becomes unreadable: what `vectors dose` does."""

from orchestrator.lab.provenance import vector_of
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.domains.domain_vector import DomainVector
from vectors.measuring.dosing import MOST_BITS, MOST_RATIO, Dose


class Strength(Record):
    """A strength that was tried: α, its share of the residual's spread, and the damage with its intervals."""

    alpha: float
    relative_alpha: float
    perplexity_ratio: tuple[float, float, float]
    kl_bits: tuple[float, float, float]


class DoseResult(Record):
    """A vector's dose at a layer. `alpha` is None, and nothing tried, for a model that cannot read."""

    domain: str
    model: str
    dtype: str
    layer: int
    operation: str
    alpha: float | None
    perplexity: float | None
    most_perplexity_ratio: float
    most_kl_bits: float
    n: int
    tried: tuple[Strength, ...]
    vector_sha256: str
    texts_sha256: str


def dose_of(
    session: Session, vector_name: str, layer: int | None = None, operation: str = "add"
) -> DoseResult:
    """The dose of a domain's vector, or of one in a file, at a layer, else at its default one.

    As it is kept, else measured now. Raises SteeringMismatch for a layer that does not exist and where no
    strength keeps within the budget, VectorFileError, PromptSetError, and what keeps a model from being
    opened.
    """
    vector = vector_of(session, vector_name)
    at = vector.intervention(layer, 1.0, operation)
    return _result(session, vector, session.dosing.dose(vector, at.layer, operation))


def _result(session: Session, vector: DomainVector, dose: Dose) -> DoseResult:
    tried = []
    for each in dose.tried:
        ratio, bits = each.damage.perplexity_ratio, each.damage.kl_bits
        tried.append(
            Strength(
                alpha=round(each.alpha, 4),
                relative_alpha=round(each.share, 4),
                perplexity_ratio=(round(ratio.value, 4), round(ratio.low, 4), round(ratio.high, 4)),
                kl_bits=(round(bits.value, 4), round(bits.low, 4), round(bits.high, 4)),
            )
        )
    return DoseResult(
        domain=vector.domain,
        model=session.model.model_id,
        dtype=dose.dtype,
        layer=dose.layer,
        operation=dose.operation,
        alpha=None if dose.alpha is None else round(dose.alpha, 4),
        perplexity=None if dose.perplexity is None else round(dose.perplexity, 3),
        most_perplexity_ratio=MOST_RATIO,
        most_kl_bits=MOST_BITS,
        n=dose.tried[0].damage.kl_bits.n if dose.tried else 0,
        tried=tuple(tried),
        vector_sha256=dose.vector_sha256,
        texts_sha256=dose.texts_sha256,
    )
