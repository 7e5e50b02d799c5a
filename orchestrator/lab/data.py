"""Data sets by name, pinned to a revision of the hub, or from a file of the same columns.

What is read is checked here, so that an experiment can rely on its columns, and hashed: the same rows are the
same data, wherever they came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swebench.data.hub import HubSet, Progress, hub_rows
from swebench.data.rows import SUFFIXES, Row, read_rows
from swebench.errors import InvalidRow, UnknownDataset
from vectors.measuring.journal import digest_of
from vectors.suggestions import did_you_mean

PINNED = {
    "gsm8k": HubSet("openai/gsm8k", "cc7b047b6e5bb11b4f1af84efc572db110a51b3c", "test", "main"),
    "mmlu-pro": HubSet("TIGER-Lab/MMLU-Pro", "527feea0afed1de15a8c115abf7be4c912123315", "test"),
}
"""The revisions that inspect_evals pins."""
_MAX_CHARS = 20_000
_MAX_ROWS = 100_000


@dataclass(frozen=True)
class DataSet:
    """Rows with the columns that were asked for; `sha256` is over those columns of all rows."""

    source: str
    sha256: str
    rows: tuple[Row, ...]


def data_set(
    name: str,
    columns: Mapping[str, type],
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """The rows of a known data set (`gsm8k`, or of another split `gsm8k:train`), or of a file.

    Each has all of `columns`, which are texts, numbers or lists of texts. Raises UnknownDataset, InvalidRow
    for a file or a row that cannot be used, and DatasetUnavailable.
    """
    check_data_set(name)
    if Path(name).suffix in SUFFIXES:
        source, found = Path(name).name, read_rows(Path(name))
    else:
        known, _, split = name.partition(":")
        hub = PINNED[known]._replace(split=split or PINNED[known].split)
        source, found = hub.source, iter(hub_rows(hub, cache, progress))
    rows = []
    for place, row in found:
        for column, kind in columns.items():
            _check(place, column, row.get(column), kind)
        rows.append({column: row[column] for column in columns})
        if len(rows) > _MAX_ROWS:
            raise InvalidRow(f"{name} has more than {_MAX_ROWS:,} rows: leave some out")
    if not rows:
        raise InvalidRow(f"{name} has no rows")
    return DataSet(source, digest_of(rows), tuple(rows))


def check_data_set(name: str) -> None:
    """Raise UnknownDataset for a name that is neither a known data set's nor a file's, before any is read."""
    if Path(name).suffix in SUFFIXES:
        if not Path(name).is_file():
            raise UnknownDataset(f"there is no file {name}: check the path")
    elif name.partition(":")[0] not in PINNED:
        raise UnknownDataset(
            f"{name[:200]!r} is no data set of the laboratory: use {', '.join(PINNED)}, or a file of the "
            f"same columns ending in {', '.join(SUFFIXES)}{did_you_mean(name, list(PINNED))}"
        )


def _check(place: str, column: str, value: object, kind: type) -> None:
    if value is None:
        raise InvalidRow(f"{place}: there is no column {column}")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidRow(f"{place}: {column} is {type(value).__name__}, expected {kind.__name__}")
    for text in value if isinstance(value, list) else [value]:
        if isinstance(value, list) and not isinstance(text, str):
            raise InvalidRow(f"{place}: {column} holds {str(text)[:40]!r}, expected texts")
        if isinstance(text, str) and len(text) > _MAX_CHARS:
            raise InvalidRow(f"{place}: {column} is longer than {_MAX_CHARS:,} characters")
