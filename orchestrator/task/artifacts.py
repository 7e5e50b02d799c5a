"""The files a run leaves behind, each written whole or not at all.

OUT/manifest.json              everything that determines the results
OUT/predictions.jsonl          the official harness's format
OUT/checkpoints.sqlite         where a killed run goes on
OUT/<instance_id>/trajectory/  per node and attempt: seconds; of model nodes prompt, decision, answer, counts
OUT/<instance_id>/context.md   the code the model was shown
OUT/<instance_id>/retrieval.json
OUT/<instance_id>/candidates/  per attempt: replacements, diffs, verdicts
OUT/<instance_id>/patch.diff
OUT/<instance_id>/result.json
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from orchestrator.errors import OrchestratorError
from orchestrator.policy.decisions import Record
from orchestrator.records import Candidate, Step
from orchestrator.settings import refuse_other_settings
from swebench.files import write_atomic

_Record = TypeVar("_Record", bound=Record)


class Artifacts:
    """The folder of one instance within a run's folder; names are relative to it."""

    def __init__(self, out: Path, instance_id: str) -> None:
        self.folder = out / instance_id
        if instance_id in ("", ".", "..") or Path(instance_id).name != instance_id:
            raise OrchestratorError(f"instance id {instance_id!r} does not name a folder: use a plain name")

    def write(self, name: str, text: str) -> str:
        """Write a text artifact; returns its name, which is what the graph's state keeps."""
        write_atomic(self.folder / name, text)
        return name

    def write_record(self, name: str, record: Record) -> str:
        """Write a record as JSON; returns its name."""
        return self.write_json(name, record.model_dump(mode="json"))

    def write_json(self, name: str, value: object) -> str:
        """Write a JSON artifact; returns its name."""
        return self.write(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def read(self, name: str) -> str:
        """Read a text artifact back, every line end as it was written."""
        return (self.folder / name).read_bytes().decode()

    def write_records(self, name: str, records: Sequence[Record]) -> str:
        """Write records as a JSON list, without what is not known of them; returns its name."""
        return self.write_json(name, [each.model_dump(mode="json", exclude_none=True) for each in records])

    def read_record(self, name: str, kind: type[_Record]) -> _Record:
        """Read a record back."""
        return kind.model_validate_json(self.read(name))

    def read_records(self, name: str, kind: type[_Record]) -> list[_Record]:
        """Read a list of records back."""
        return TypeAdapter(list[kind]).validate_json(self.read(name))  # type: ignore[valid-type]

    def trajectory(self) -> list[Step]:
        """What every node left about each of its attempts, by node."""
        paths = sorted(self.folder.glob("trajectory/*.json"))
        return [Step.model_validate_json(path.read_bytes()) for path in paths]

    def candidates(self) -> list[Candidate]:
        """The candidates of all attempts, in the order they were made."""
        names = sorted(
            self.folder.glob("candidates/[0-9]*.json"), key=lambda path: (len(path.name), path.name)
        )
        found = [f"candidates/{path.name}" for path in names if path.stem.isdecimal()]
        return [each for name in found for each in self.read_records(name, Candidate)]

    def clear(self) -> None:
        """Remove what an earlier run of this instance left."""
        shutil.rmtree(self.folder, ignore_errors=True)


def open_run(
    out: Path,
    determinants: Mapping[str, JsonValue],
    facts: Mapping[str, JsonValue],
    *,
    replacing: str | None = None,
) -> None:
    """Create a run's folder and manifest, or check that the folder is of the same run.

    `determinants` decide the result and must match; `facts` (host, Python) are recorded only. A manifest of
    other settings is replaced only when the one instance in the folder is the one that is to start over
    (`replacing`).
    Raises MixedRunError when the folder holds a run with other settings.
    """
    manifest = out / "manifest.json"
    if manifest.is_file():
        found = json.loads(manifest.read_text("utf-8"))["determinants"]
        others = {path.name for path in out.iterdir() if path.is_dir()} - {replacing}
        if found == determinants:
            return
        if replacing is None or others:
            refuse_other_settings(found, determinants, out)
    write_atomic(manifest, json.dumps({"determinants": determinants, "facts": facts}, indent=2) + "\n")
