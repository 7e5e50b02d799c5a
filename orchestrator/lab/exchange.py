"""A vector out to another tool's file, and in from one: what `vectors export` and `vectors import` do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from orchestrator.lab.provenance import VectorSummary, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.domains.library import save
from vectors.formats.exchange import export_vector, import_vector


class SteeredLayer(Record):
    """What a file says of a layer; `alpha` is absolute, `relative_alpha` a share of the residual's spread."""

    layer: int
    alpha: float
    relative_alpha: float


class Exported(Record):
    """What was written, and where."""

    file: str
    format: str
    domain: str
    model: str
    mode: str
    layers: tuple[SteeredLayer, ...]


class Imported(VectorSummary):
    """What was read, the layers at which it holds anything, and where it is kept now."""

    format: str
    layers: tuple[int, ...]
    file: str


def export_to(
    session: Session,
    vector_name: str,
    format_name: str,
    out: Path,
    *,
    layers: Sequence[int] | Literal["all"] = (),
    alpha: float | None = None,
    mode: str = "add",
) -> Exported:
    """Write a domain's vector, or one in a file, to `out` in the format of another tool.

    No layers mean the vector's default one; `alpha` is absolute, else each layer gets the share of its spread
    that the vector has at its own. Raises NotExpressible, SteeringMismatch, VectorFileError, PromptSetError,
    and what keeps a model from being opened.
    """
    vector = vector_of(session, vector_name)
    said = export_vector(vector, session.model, format_name, out, layers=layers, alpha=alpha, mode=mode)
    return Exported(
        file=str(out),
        format=format_name,
        domain=vector.domain,
        model=session.model.model_id,
        mode=mode,
        layers=tuple(
            SteeredLayer(
                layer=steering.layer,
                alpha=round(steering.alpha, 4),
                relative_alpha=round(vector.relative_alpha(steering), 4),
            )
            for steering in said
        ),
    )


def import_from(
    session: Session, file: Path, format_name: str, domain: str | None = None, out: Path | None = None
) -> Imported:
    """Read a file of a format as a domain's vector for the session's model, and keep it.

    It goes to `out`, a .safetensors file, or else into the session's library. Only our own format says what a
    vector is of: others need `domain`. Raises VectorFileError, and what keeps a model from being opened.
    """
    vector = import_vector(file, session.model, format_name, domain, progress=session.progress)
    if out:
        save(vector, out)
    else:
        out = session.vectors.save(vector, session.model)
    return Imported(
        **dict(VectorSummary.of(vector)),
        format=format_name,
        layers=tuple(layer for layer, direction in enumerate(vector.directions) if direction.any()),
        file=str(out),
    )
