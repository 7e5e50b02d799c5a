"""Rows of a file, each with the place it came from, so that every complaint can name file and line."""

import json
from collections.abc import Iterator
from pathlib import Path

from swebench.errors import InvalidRow

SUFFIXES = (".jsonl", ".json", ".parquet")

Row = dict[str, object]


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) for each row of a JSONL, JSON (one array of objects) or Parquet file.

    Raises InvalidRow for a file that cannot be read, and for what is not an object; the message names the
    file and the line (JSONL) or the number of the row.
    """
    try:
        if path.suffix == ".jsonl":
            rows = _jsonl(path)
        elif path.suffix == ".json":
            rows = _json(path)
        elif path.suffix == ".parquet":
            rows = _parquet(path)
        else:
            raise InvalidRow(f"{path}: rows are read from {', '.join(SUFFIXES)} only")
        for place, row in rows:
            if not isinstance(row, dict):
                raise InvalidRow(
                    f"{place}: expected an object with named columns, found {type(row).__name__}"
                )
            yield place, row
    except OSError as error:
        raise InvalidRow(f"{path} cannot be read: {error.strerror or error}") from None


def _jsonl(path: Path) -> Iterator[tuple[str, object]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path}, line {number}"
                yield place, _parse(line, place)


def _json(path: Path) -> Iterator[tuple[str, object]]:
    found = _parse(path.read_bytes(), str(path))
    if isinstance(found, dict) and all(isinstance(row, dict) for row in found.values()):
        # By instance id, as agents write their predictions.
        for name, row in found.items():
            place = f"{path}, {name[:200]!r}"
            if row.setdefault("instance_id", name) != name:
                raise InvalidRow(f"{place}: instance_id {str(row['instance_id'])[:200]!r} is another")
            yield place, row
        return
    if not isinstance(found, list):
        raise InvalidRow(
            f"{path}: expected an array of objects, or an object that holds one by each instance id; for one "
            "object a line use the ending .jsonl"
        )
    for number, row in enumerate(found, 1):
        yield f"{path}, row {number}", row


def _parse(data: bytes, place: str) -> object:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidRow(f"{place}: not UTF-8 (byte {error.start}): save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InvalidRow(f"{place}: not JSON: {error}") from None


def _parquet(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise InvalidRow(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    for number, row in enumerate(rows, 1):
        yield f"{path}, row {number}", row
