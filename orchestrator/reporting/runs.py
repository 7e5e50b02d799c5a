"""Run folders read back: what was set, what was handed in, and the trace of each instance.

Reading changes nothing, so a run that is still going on can be read too: what is not finished is listed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Record
from orchestrator.records import Candidate, NodeRecord, Ranking, Result
from swebench.data.predictions import Prediction, read_predictions

MAX_JSON_BYTES = 256 << 20
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Trace:
    """The folder of one instance within a run's; a file that is not there reads as empty."""

    folder: Path

    @cached_property
    def result(self) -> Result | None:
        """What `solve --json` said; None where the instance has not ended in any way."""
        path = self.folder / "result.json"
        return _read_as(TypeAdapter(Result), path) if path.is_file() else None

    @property
    def failure(self) -> str:
        """Why the instance did not end; empty when it did."""
        if self.result is None:
            return "not finished"
        return "" if self.result.finished else self.result.reason or "not finished"

    @property
    def nodes(self) -> tuple[NodeRecord, ...]:
        """One record for each model node that ran, in order."""
        return self.result.nodes if self.result else ()

    @property
    def hits(self) -> list[str]:
        """The files that retrieval found, best first."""
        path = self.folder / "retrieval.json"
        return [hit.path for hit in _read_as(TypeAdapter(Ranking), path).hits] if path.is_file() else []

    @property
    def candidates(self) -> Iterator[Candidate]:
        """The candidates of every attempt."""
        for path in sorted((self.folder / "candidates").glob("[0-9]*.json")):
            if path.stem.isdigit():
                yield from _read_as(TypeAdapter(list[Candidate]), path)

    def seconds(self) -> dict[str, float]:
        """Wall time by stage, of all its attempts; of model nodes only where no more was recorded."""
        if self.result and self.result.stages:
            return dict(self.result.stages)
        spent: dict[str, float] = {}
        for node in self.nodes:
            spent[node.name] = spent.get(node.name, 0.0) + node.seconds
        return spent


class Manifest(Record):
    """What a run's folder says of the run: what decides its results, and what else was noted."""

    determinants: dict[str, JsonValue]
    facts: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run: its name in a report, its manifest, its predictions and traces by instance id."""

    name: str
    folder: Path
    determinants: dict[str, JsonValue]
    facts: dict[str, JsonValue]
    predictions: dict[str, Prediction]
    traces: dict[str, Trace]

    @property
    def variant(self) -> str:
        """The variant; version 0.1 had a policy beside it, whose `evidence` is the variant certified."""
        if self.determinants.get("policy") == "evidence":
            return "certified"
        return str(self.determinants.get("variant", ""))

    @property
    def rag(self) -> bool:
        """Whether the model was shown retrieved code."""
        return bool(self.determinants.get("rag"))

    @property
    def instance_ids(self) -> list[str]:
        """Every instance that was begun or handed in, sorted."""
        return sorted(self.predictions.keys() | self.traces.keys())

    def patch(self, instance_id: str) -> str:
        """What was handed in for an instance; empty also where nothing was."""
        found = self.predictions.get(instance_id)
        return found.model_patch if found else ""

    def trace(self, instance_id: str) -> Trace:
        """The trace of an instance, empty where only a prediction is there."""
        return self.traces.get(instance_id) or Trace(self.folder / instance_id)


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """The runs in these folders: each is a run's own, or holds runs one or two levels below; each run once.

    Raises ConfigError for a folder without a run, or a file in it that cannot be read; InvalidRow for
    malformed predictions.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        own = [folder] if (folder / "manifest.json").is_file() else []
        below = [
            path.parent for level in ("*", "*/*") for path in sorted(folder.glob(f"{level}/manifest.json"))
        ]
        if not (own or below):
            raise ConfigError(
                f"{folder} holds no run: name a folder with a manifest.json in it, or one above such folders"
            )
        found.update(dict.fromkeys(path.resolve() for path in own or below))
    return [_read(folder, name) for folder, name in zip(found, _names(list(found)), strict=True)]


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, with as many of those above as tell them apart."""
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]).lstrip("/") for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _read(folder: Path, name: str) -> Run:
    manifest = _read_as(TypeAdapter(Manifest), folder / "manifest.json")
    predictions = folder / "predictions.jsonl"
    return Run(
        name=name,
        folder=folder,
        determinants=manifest.determinants,
        facts=manifest.facts,
        predictions=read_predictions(predictions) if predictions.is_file() else {},
        traces={
            path.name: Trace(path)
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".") and any(path.iterdir())
        },
    )


def _read_as(kind: TypeAdapter[_Read], path: Path) -> _Read:
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ConfigError(f"{path} has {size} bytes, at most {MAX_JSON_BYTES} are read")
    try:
        return kind.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{path} cannot be read ({where + ': ' if where else ''}{first['msg']}): "
            "was it written by another version?"
        ) from None
