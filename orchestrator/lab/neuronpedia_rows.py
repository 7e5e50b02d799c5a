"""A feature as Neuronpedia has it, by its own field names, and the offline reader of its export.

Names and files are those of hijohnnylin/neuronpedia (prisma/schema.prisma, utils/neuronpedia-utils). An
export is a stranger's: what is read is limited in size, and nothing outside its folder is.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from vectors.errors import SaeError

ADDRESS = "https://www.neuronpedia.org"
_MOST_FILES = 4096
_MOST_FILE_BYTES = 512 << 20
_MOST_BATCH_BYTES = 2 << 30
_MOST_LINE_BYTES = 4 << 20
_MOST_NUMBERS = 24_576
"""As many as Neuronpedia itself takes for a vector."""


class _Row(BaseModel):
    """A row of Neuronpedia's: what is not named here is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Explanation(_Row):
    """What somebody, or a model, says that a feature is of."""

    description: str


class Feature(_Row):
    """A feature of a source; `layer` names the source, such as 20-gemmascope-res-16k.

    vector: its decoder direction, perhaps none. pos_str: the tokens that it promotes most.
    """

    model_id: str
    layer: str
    index: Annotated[str, Field(coerce_numbers_to_str=True)]
    vector: Annotated[tuple[float, ...], Field(max_length=_MOST_NUMBERS)] = ()
    hook_name: str | None = None
    max_act_approx: float | None = None
    frac_nonzero: Annotated[float | None, Field(alias="frac_nonzero")] = None
    pos_str: Annotated[tuple[str, ...], Field(alias="pos_str")] = ()
    neg_str: Annotated[tuple[str, ...], Field(alias="neg_str")] = ()
    explanations: tuple[Explanation, ...] = ()

    @property
    def name(self) -> str:
        """As an address at Neuronpedia has it."""
        return f"{self.model_id}/{self.layer}/{self.index}"


class _Explained(_Row):
    model_id: str = ""
    layer: str = ""
    index: Annotated[str, Field(coerce_numbers_to_str=True)]
    description: str


_Kind = TypeVar("_Kind", Feature, _Explained)


def check_export(folder: Path) -> None:
    """Raise SaeError for a folder without features."""
    if not any((folder / "features").glob("batch-*.jsonl.gz")):
        raise SaeError(f"{folder} is no export of Neuronpedia: expected features/batch-0.jsonl.gz and more")


def check_new(folder: Path) -> None:
    """Raise SaeError for a folder that holds something, which could be taken for an export's."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SaeError(f"{folder} holds something: name a new folder")


def export_digests(folder: Path) -> dict[str, JsonValue]:
    """The sha256 of each file that is read, by its name in the folder. Raises SaeError."""
    found: dict[str, JsonValue] = {}
    for path in (*_batches(folder, "explanations"), *_batches(folder, "features")):
        _check_file(folder, path)
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def read_export(folder: Path) -> Iterator[Feature]:
    """The features of a source's export, batch by batch, each with its explanations.

    Raises SaeError, naming file and line, for what is malformed, too large or leads out of the folder.
    """
    check_export(folder)
    said: dict[str, list[Explanation]] = {}
    for path in _batches(folder, "explanations"):
        for row in _rows(folder, path, _Explained):
            said.setdefault(row.index, []).append(Explanation(description=row.description))
    for path in _batches(folder, "features"):
        for feature in _rows(folder, path, Feature):
            own = (*feature.explanations, *said.get(feature.index, ()))
            yield feature.model_copy(update={"explanations": own})


def read_explanations(folder: Path, model: str, source: str) -> dict[int, str]:
    """What an export's explanations say of a source's features, by number. Raises SaeError as above."""
    return {
        int(row.index): row.description
        for path in _batches(folder, "explanations")
        for row in _rows(folder, path, _Explained)
        if (row.model_id, row.layer) == (model, source) and row.index.isdecimal()
    }


def _batches(folder: Path, kind: str) -> list[Path]:
    found = list((folder / kind).glob("batch-*.jsonl.gz"))
    if len(found) > _MOST_FILES:
        raise SaeError(f"{folder / kind} holds {len(found)} batches: expected at most {_MOST_FILES}")
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _check_file(root: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(root.resolve()):
        raise SaeError(f"{path} leads out of {root}: copy the file itself there")
    if path.stat().st_size > _MOST_FILE_BYTES:
        raise SaeError(f"{path} is larger than {_MOST_FILE_BYTES >> 20} MiB: expected batches of 1,024 rows")


def _rows(root: Path, path: Path, kind: type[_Kind]) -> Iterator[_Kind]:
    _check_file(root, path)
    read, number = 0, 0
    try:
        with gzip.open(path) as file:
            while line := file.readline(_MOST_LINE_BYTES + 1):
                number, read = number + 1, read + len(line)
                if len(line) > _MOST_LINE_BYTES or read > _MOST_BATCH_BYTES:
                    raise SaeError(f"{path}, line {number}: too large to be a row of Neuronpedia")
                if line.strip():
                    yield kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SaeError(f"{path}, line {number}: {where or 'row'}: {first['msg']}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise SaeError(f"{path} cannot be read: {error}") from error
