"""The folder of one run of a batch: what is finished, what has failed, and how either is written down.

An instance is finished when its result says so and its prediction is in predictions.jsonl. The prediction is
written last and the file is replaced whole, so a kill at any moment leaves an instance finished or not.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.batch.units import Run
from orchestrator.task.artifacts import FINISHED, Artifacts, open_run
from orchestrator.task.solve import commit
from swebench.data.predictions import read_predictions

_OWN_FILES = ("predictions.jsonl", "checkpoints.sqlite", "checkpoints.sqlite-wal", "checkpoints.sqlite-shm")


class Ledger:
    """What is known of a run's instances.

    `order` lists the ids of the whole data set: predictions are kept in this order. Opening makes the folder
    and its manifest, or raises MixedRunError when the folder is of a run with other settings.
    """

    def __init__(self, run: Run, order: Sequence[str], facts: dict[str, Any], *, fresh: bool = False) -> None:
        self.run = run
        self._order = order
        run.folder.mkdir(parents=True, exist_ok=True)
        if fresh:
            _start_over(run.folder, order)
        open_run(run.folder, run.determinants, facts)
        self.results = {name: result for name in order if (result := _result(run.folder, name))}
        predictions = run.folder / "predictions.jsonl"
        handed_in = read_predictions(predictions) if predictions.exists() else {}
        self.finished = {
            name
            for name, result in self.results.items()
            if result["status"] in FINISHED
            and name in handed_in
            and handed_in[name].model_patch == result["patch"]
        }

    def write(self, result: dict[str, Any]) -> None:
        """Keep a result. One that has failed gets no prediction, and so is tried again by the next run."""
        name = result["instance_id"]
        self.results[name] = result
        if result["status"] in FINISHED:
            commit(self.run.folder, result, self.run.made_by, self._order)
            self.finished.add(name)
        else:
            Artifacts(self.run.folder, name).write_json("result.json", result)

    def grade(self, name: str, graded: dict[str, Any]) -> None:
        """Add a verdict to a finished instance's result."""
        self.results[name]["graded"] = graded
        Artifacts(self.run.folder, name).write_json("result.json", self.results[name])


def _result(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / name / "result.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _start_over(folder: Path, order: Sequence[str]) -> None:
    """Remove what a run leaves, and nothing else that may lie there; its manifest last, so that a kill in
    between leaves a folder of the same run."""
    for name in _OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    for name in order:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "manifest.json").unlink(missing_ok=True)
