"""What experiments of the server's folder say to a library: where a vector acts.

Whatever cannot be read says nothing here; the laboratory's own routes tell what is wrong with it.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from orchestrator.lab.folder import RESULT, SHOWN
from orchestrator.lab.overview import experiments_below
from orchestrator.policy.decisions import Record

_MOST_BYTES = 16 << 20


class SweptCell(Record):
    """One layer and α of a sweep, as far as marks need it."""

    layer: int
    alpha: float
    zone: Literal["rigid", "responsive", "degenerate"]


class _Vector(Record):
    sha256: str


class _Sweep(Record):
    model_digest: str
    vectors: tuple[_Vector, ...]
    cells: tuple[SweptCell, ...]


class Mark(Record):
    """Of a sweep: the least of its α at a layer at which most outputs change, and the least at which they
    degenerate; null where none did. `alphas` are all that were tried there.
    """

    layer: int
    alphas: tuple[float, ...]
    changes_from: float | None
    degenerates_from: float | None


def marks_below(root: Path, model_digest: str) -> dict[str, tuple[Mark, ...]]:
    """The marks of each vector of a model, by the vector's sha256; of several sweeps the last one's."""
    found: dict[str, tuple[Mark, ...]] = {}
    for folder in finished(root):
        try:
            sweep = _Sweep.model_validate_json(file_bytes(folder / RESULT))
        except (OSError, ValidationError):
            continue  # another experiment, or none
        if sweep.model_digest == model_digest:
            found |= {vector.sha256: _marks(sweep.cells) for vector in sweep.vectors}
    return found


def finished(root: Path) -> Iterator[Path]:
    """The experiments of a folder that are finished, and lie in it."""
    whole = root.resolve()
    for folder in experiments_below(whole):
        if (folder / SHOWN).is_file() and (folder / SHOWN).resolve().is_relative_to(whole):
            yield folder


def file_bytes(path: Path) -> bytes:
    """A file of an experiment. Raises OSError, also for a link and one that is too large."""
    if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
        raise OSError(f"{path.name} is not a file of an experiment")
    return path.read_bytes()


def _marks(cells: tuple[SweptCell, ...]) -> tuple[Mark, ...]:
    layers: dict[int, list[SweptCell]] = defaultdict(list)
    for cell in sorted(cells, key=lambda each: (each.layer, each.alpha)):
        layers[cell.layer].append(cell)
    return tuple(
        Mark(
            layer=layer,
            alphas=tuple(cell.alpha for cell in of),
            changes_from=next((cell.alpha for cell in of if cell.zone != "rigid"), None),
            degenerates_from=next((cell.alpha for cell in of if cell.zone == "degenerate"), None),
        )
        for layer, of in layers.items()
    )
