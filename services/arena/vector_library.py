"""/v1/arena/library: what a column may be steered with, how strongly, and what was shown of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.policy.decisions import Record
from orchestrator.policy.evidence import METRICS
from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent
from services.api.problems import documented
from services.arena.lab_findings import Mark, marks_below
from services.arena.lab_saes import SaeAtHand, saes_below
from services.chat.preparing import model_of
from services.errors import Invalid
from services.serving.exchange import Served
from services.serving.named_vectors import Source
from services.texts import StoredText
from vectors.calibration.certificates import Certificate, load
from vectors.domains.domain_vector import DomainVector
from vectors.errors import CertificateError, SteeringMismatch
from vectors.operations import DIRECTIONAL, SHARES

router = APIRouter(prefix="/v1/arena/library", tags=["arena"])
_ERRORS = (401, 403, 404, 422, 429, 503)
Verdict = Literal["helps", "undecided", "harms"]


class Effect(Record):
    """A change by steering, with its 95 % interval and the number of observations."""

    value: float
    low: float
    high: float
    n: int


class Badge(Record):
    """What calibration found of a vector in a regime: `helps` is certified; `harms` is an effect below 0 with
    all of its interval; anything else is undecided, with the reason. It holds for this steering alone.
    """

    verdict: Verdict
    regime: str
    metric: str
    steering: str
    layer: int
    alpha: float
    operation: str
    effect: Effect
    reason: str

    @classmethod
    def of(cls, found: Certificate) -> "Badge":
        """From a certificate."""
        effect = found.effect
        harms: Verdict = "harms" if effect.high < 0 else "undecided"
        return cls(
            verdict="helps" if found.certified else harms,
            regime=found.regime,
            metric=found.metric,
            steering=found.steering,
            layer=found.layer,
            alpha=found.alpha,
            operation=found.operation,
            effect=Effect(value=effect.value, low=effect.low, high=effect.high, n=effect.n),
            reason=found.reason,
        )


class LibraryVector(Record):
    """A vector that a column may name: where it steers by default and with which α at one dose there, null
    where nobody measured it yet: `dose` does.

    `spreads` are of the residual stream, by block: an α of operation "add" over them is a share. `marks` are
    a sweep's, where the laboratory has one of this very vector.
    """

    domain: str
    source: Source
    sha256: str
    default_layer: int
    default_alpha: float | None
    norms: list[float]
    spreads: list[float]
    badges: list[Badge]
    marks: tuple[Mark, ...]


class LibraryAnswer(BaseModel):
    """The model in memory, its vectors, the operations that a direction is for, and the laboratory's SAEs."""

    model: str
    blocks: int
    d_model: int
    context_length: int
    dtype: str
    operations: list[str]
    vectors: list[LibraryVector]
    saes: list[SaeAtHand]


class DoseAnswer(BaseModel):
    """The α of a vector at a layer for an operation: of one dose, and of all of the residual's spread, null
    where an operation's α is no strength but the share that is done. Other doses and shares are multiples.
    """

    domain: str
    layer: int
    operation: str
    dose_alpha: float
    spread_alpha: float | None


@router.get("", responses=documented(*_ERRORS))
def library(
    runtime: RuntimeOf, owner: Owner, model: Annotated[StoredText | Absent, Query(max_length=200)] = None
) -> LibraryAnswer:
    """What a column may be steered with on the model in memory; `model` says that it must be that one."""
    served = runtime.models.serving()
    lm, lab = model_of(served, model or served.name), runtime.settings.lab_runs
    marks = marks_below(lab, lm.digest)
    return LibraryAnswer(
        model=served.name,
        blocks=lm.n_layers,
        d_model=lm.d_model,
        context_length=lm.context_length,
        dtype=str(lm.dtype).removeprefix("torch."),
        operations=list(DIRECTIONAL),
        vectors=[_listed(served, owner, domain, marks) for domain, _ in served.vectors.names(owner)],
        saes=saes_below(lab, lm.digest),
    )


@router.get("/dose", responses=documented(*_ERRORS))
def dose(
    runtime: RuntimeOf,
    owner: Owner,
    domain: Annotated[StoredText, Query(max_length=64)],
    layer: Annotated[int | Absent, Query(ge=0, lt=10**6)] = None,
    operation: Annotated[str, Query(max_length=20)] = "add",
) -> DoseAnswer:
    """What one dose of a vector is there. Where nobody asked before it is measured, which takes seconds."""
    vector = runtime.models.serving().vectors.named(owner, domain)
    try:
        found = vector.intervention(layer, None, operation)
    except SteeringMismatch as error:
        raise Invalid(str(error)) from None
    spread = None if operation in SHARES else vector.at_share(found.layer, 1.0, operation)
    return DoseAnswer(
        domain=domain,
        layer=found.layer,
        operation=operation,
        dose_alpha=found.alpha,
        spread_alpha=spread,
    )


def _listed(served: Served, owner: str, domain: str, marks: Mapping[str, tuple[Mark, ...]]) -> LibraryVector:
    named = served.vectors.get(owner, served.name, domain)
    vector = named.vector
    return LibraryVector(
        domain=domain,
        source=named.source,
        sha256=vector.sha256,
        default_layer=vector.default_layer,
        default_alpha=served.vectors.known_alpha(vector),
        norms=vector.norms().tolist(),
        spreads=vector.spreads.tolist(),
        badges=[] if named.source == "uploaded" else [Badge.of(each) for each in _shown(served, vector)],
        marks=marks.get(vector.sha256, ()),
    )


def _shown(served: Served, vector: DomainVector) -> Sequence[Certificate]:
    """What calibration found of this very vector on this model, nearest to the task first."""
    if vector.file is None:
        return []
    try:
        found = [each for each in load(vector.file, vector, served.lm) if each.metric in METRICS]
    except CertificateError:  # tasks with the policy `evidence` are told; here nothing hangs on it
        return []
    return sorted(found, key=lambda each: METRICS.index(each.metric))
