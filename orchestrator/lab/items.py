"""What was asked and what was answered, item by item: the samples behind an experiment's figures."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Record
from vectors.files import write_atomic

ITEMS = "items.jsonl"
_MOST_CHARS = 20_000
"""Of a text; data sets have none as long."""
_MOST_LINE_BYTES = 4 << 20


class Said(Record):
    """What came of an item under one condition: a text, log-likelihoods of its options in nats, or both."""

    condition: str
    text: str = ""
    nats: dict[str, float] = Field(default_factory=dict)
    right: bool | None = None


class Item(Record):
    """One question, what is right, the group it belongs to, and what was said under each condition."""

    name: str
    group: str
    question: str
    expected: str
    said: tuple[Said, ...]


def write_items(folder: Path, items: Iterable[Item]) -> None:
    """Write them into an experiment's folder, a line each; nothing where there are none."""
    lines = [each.model_dump_json(exclude_defaults=True) + "\n" for each in items]
    if lines:
        write_atomic(folder / ITEMS, "".join(lines).encode())


def read_items(folder: Path, offset: int, limit: int) -> tuple[list[Item], int]:
    """At most `limit` items from number `offset` on, and how many there are; none where none were written.

    Raises ConfigError for a line that is no item.
    """
    found, count = [], 0
    try:
        for count, line in enumerate(_lines(folder / ITEMS), 1):
            if offset < count <= offset + limit:
                found.append(Item.model_validate_json(line))
    except ValidationError as error:
        place, reason = f"{folder / ITEMS}, line {count}", str(error).splitlines()[0]
        raise ConfigError(f"{place}: no item ({reason}): run the experiment again") from error
    return found, count


def cut(text: str) -> str:
    """A text as it is kept."""
    return text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + " …"


def _lines(file: Path) -> Iterator[bytes]:
    if not file.is_file():
        return
    with file.open("rb") as stream:
        while line := stream.readline(_MOST_LINE_BYTES):
            yield line
