"""Run folders read back: what was set, what was handed in, and the trace of each instance.

Reading changes nothing, so a run that is still going on can be read too: what is not finished is listed.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.task.artifacts import FINISHED
from swebench.data.predictions import Prediction, read_predictions

MAX_JSON_BYTES = 256 << 20


@dataclass(frozen=True)
class Trace:
    """The folder of one instance within a run's; a file that is not there reads as empty."""

    folder: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `solve --json` said."""
        return _object(self.folder / "result.json")

    @property
    def finished(self) -> bool:
        """Whether the instance ran to its end, with a patch or without."""
        return self.result.get("status") in FINISHED

    @property
    def failure(self) -> str:
        """Why the instance did not end; empty when it did."""
        if self.finished:
            return ""
        return str(self.result.get("reason") or "not finished")

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """One record for each model node that ran, in order."""
        return list(self.result.get("nodes") or ())

    @property
    def hits(self) -> list[str]:
        """The files that retrieval found, best first."""
        return [hit["path"] for hit in _object(self.folder / "retrieval.json").get("hits", ())]

    @property
    def candidates(self) -> Iterator[dict[str, Any]]:
        """The candidates of every attempt."""
        for path in sorted((self.folder / "candidates").glob("[0-9]*.json")):
            if path.stem.isdigit():
                yield from _json(path)

    def seconds(self) -> dict[str, float]:
        """Wall time by stage, of all its attempts; of model nodes only where no more was recorded."""
        if stages := self.result.get("stages"):
            return dict(stages)
        spent: dict[str, float] = {}
        for node in self.nodes:
            spent[node["name"]] = spent.get(node["name"], 0.0) + node["seconds"]
        return spent


@dataclass(frozen=True)
class Run:
    """One run: its name in a report, its manifest, its predictions and traces by instance id."""

    name: str
    folder: Path
    determinants: dict[str, Any]
    facts: dict[str, Any]
    predictions: dict[str, Prediction]
    traces: dict[str, Trace]

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
    manifest = _object(folder / "manifest.json")
    if not isinstance(manifest.get("determinants"), dict):
        raise ConfigError(f"{folder / 'manifest.json'} is no manifest: it has no determinants")
    predictions = folder / "predictions.jsonl"
    return Run(
        name=name,
        folder=folder,
        determinants=manifest["determinants"],
        facts=manifest.get("facts") or {},
        predictions=read_predictions(predictions) if predictions.is_file() else {},
        traces={
            path.name: Trace(path)
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".") and any(path.iterdir())
        },
    )


def _object(path: Path) -> dict[str, Any]:
    found = _json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path} must hold a JSON object")
    return found


def _json(path: Path) -> Any:
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise ConfigError(f"{path} has {size} bytes, at most {MAX_JSON_BYTES} are read")
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
