"""Certificates: what calibration found about a vector in one regime, good or bad, beside the vector's file.

A certificate is bound to the vector's values, the model's weights and the dtype they ran in, and is never
used for others. What was tried in vain is kept as well: "nothing certified" is a result.
"""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from vectors.domains.domain_vector import DomainVector
from vectors.errors import CertificateError
from vectors.files import write_atomic
from vectors.measuring.metrics import Degeneration
from vectors.models.loading import LanguageModel
from vectors.statistics.estimates import Estimate
from vectors.steering.reading import positions_of
from vectors.steering.terms import Span, Strength, Term
from vectors.steering.text import written

FORMAT = 2
_MAX_FILE_BYTES = 4 << 20
_LIBRARIES = ("steered-orchestrator", "torch", "transformers")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControlResult:
    """Control vectors of one kind at the proposed place: the mean and standard deviation of their effects on
    n observations, the vector's own effect on the same, and the p-value of its being one of them.
    """

    kind: str
    vectors: int
    n: int
    mean: float
    sd: float
    value: float
    p: float


@dataclass(frozen=True)
class Cell:
    """A place of the grid, and the effect on the proposal split. `share`: α over the residual's spread."""

    layer: int
    share: float
    alpha: float
    effect: Estimate


@dataclass(frozen=True)
class Certificate:
    """What was found about a vector at `layer` with `alpha`, for an operation at the positions of a prompt.

    effect: change of the metric by steering, on the certification split where a setting got that far, else on
    the proposal split. p: of "no improvement", 1 where it was given up; p_adjusted: after Holm over the
    `tried` cells. degeneration: None where no setting was proposed. texts_sha256: what it was measured on.
    `reason` says in a line why it is certified or not.
    """

    domain: str
    vector_sha256: str
    model_id: str
    model_digest: str
    dtype: str
    regime: str
    metric: str
    layer: int
    alpha: float
    relative_alpha: float
    effect: Estimate
    situations: int
    p: float
    p_adjusted: float
    controls: tuple[ControlResult, ...]
    degeneration: Degeneration | None
    certified: bool
    reason: str
    tried: tuple[Cell, ...]
    texts_sha256: str
    seed: int
    versions: dict[str, str]
    operation: str = "add"
    positions: str = "all"

    def __post_init__(self) -> None:
        numbers = (self.alpha, self.relative_alpha, self.effect.value, self.p, self.p_adjusted)
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise ValueError("numbers must be finite")
        if type(self.layer) is not int or type(self.certified) is not bool:
            raise ValueError("layer must be an integer and certified true or false")
        _ = self.steering  # of an operation and positions that there are

    @property
    def steering(self) -> str:
        """What it is about, as text (docs/steering.md)."""
        strength = Strength(float(f"{self.alpha:.6g}"), "alpha")
        where = (Span(self.layer, self.layer),)
        return written([Term(self.domain, self.operation, strength, where, positions_of(self.positions))])

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def versions() -> dict[str, str]:
    """The libraries whose version can change what is measured."""
    return {name: version(name) for name in _LIBRARIES}


def of_model(lm: LanguageModel) -> list[object]:
    """What determines a model's answers to the same tokens, as plain data."""
    return [versions(), lm.digest, dtype_name(lm), lm.tokenizer_digest, lm.chat.date]


def store(vector_path: Path, certificates: Sequence[Certificate]) -> Path:
    """Keep certificates of one vector beside its file; a calibration replaces the earlier one of its regime
    and metric. Certificates of other vectors that had this place are dropped. Returns the file.
    """
    path = _path(vector_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    replaced = {(each.regime, each.metric) for each in certificates}
    with FileLock(f"{path}.lock"):
        kept = [
            old
            for old in _read(path)
            if _bound(old) == _bound(certificates[0]) and (old.regime, old.metric) not in replaced
        ]
        rows = [each.as_dict() for each in [*kept, *certificates]]
        text = json.dumps({"format": FORMAT, "certificates": rows}, indent=1, ensure_ascii=False)
        write_atomic(path, text.encode())
    return path


def load(vector_path: Path, vector: DomainVector, lm: LanguageModel) -> list[Certificate]:
    """The certificates of this very vector on this model in its dtype, certified or not.

    Others are left out with a warning. Raises CertificateError for a file that is malformed.
    """
    wanted = (vector.sha256, lm.digest, dtype_name(lm))
    found = _read(_path(vector_path))
    if others := sum(_bound(each) != wanted for each in found):
        _log.warning(
            "%s certificates of another vector, model or dtype are not used: %s", others, vector_path.name
        )
    return [each for each in found if _bound(each) == wanted]


def digest(certificates: Sequence[Certificate]) -> str:
    """sha256 of the certificates' content."""
    return hashlib.sha256(json.dumps([c.as_dict() for c in certificates]).encode()).hexdigest()


def dtype_name(lm: LanguageModel) -> str:
    """The dtype a model runs in, as certificates name it."""
    return str(lm.dtype).removeprefix("torch.")


def _bound(certificate: Certificate) -> tuple[str, str, str]:
    return certificate.vector_sha256, certificate.model_digest, certificate.dtype


def _path(vector_path: Path) -> Path:
    return vector_path.with_name(f"{vector_path.name}.certificates.json")


def _read(path: Path) -> list[Certificate]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CertificateError(f"{path.name} is larger than {_MAX_FILE_BYTES:,} bytes; remove it")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise CertificateError(
                f"{path.name} has format {found['format']}, expected {FORMAT}; calibrate again"
            )
        return [_certificate(row) for row in found["certificates"]]
    except FileNotFoundError:
        return []
    except CertificateError:
        raise
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise CertificateError(
            f"{path.name} is not a file of certificates ({type(error).__name__}: {error}); "
            "remove it and calibrate again"
        ) from error


def _certificate(row: dict[str, Any]) -> Certificate:
    parts: dict[str, Any] = {
        "effect": Estimate(**row["effect"]),
        "controls": tuple(ControlResult(**control) for control in row["controls"]),
        "degeneration": Degeneration(**row["degeneration"]) if row["degeneration"] else None,
        "tried": tuple(Cell(**{**cell, "effect": Estimate(**cell["effect"])}) for cell in row["tried"]),
    }
    return Certificate(**{**row, **parts})
