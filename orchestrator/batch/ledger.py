"""The folder of one run of a batch: what is finished, what has failed, and how either is written down.

An instance is finished when its result says so and its prediction is in predictions.jsonl. The prediction is
written last and the file is replaced whole, so a kill at any moment leaves an instance finished or not.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from orchestrator.batch.units import Run
from orchestrator.records import Graded, Result
from orchestrator.task.artifacts import Artifacts, open_run
from orchestrator.task.solve import commit
from swebench.data.predictions import read_predictions

_OWN_FILES = ("predictions.jsonl", "checkpoints.sqlite", "checkpoints.sqlite-wal", "checkpoints.sqlite-shm")


class Ledger:
    """What is known of a run's instances.

    `order` lists the ids of the whole data set: predictions are kept in this order. Opening makes the folder
    and its manifest, or raises MixedRunError when the folder is of a run with other settings.
    """

    def __init__(
        self, run: Run, order: Sequence[str], facts: dict[str, JsonValue], *, fresh: bool = False
    ) -> None:
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
            if result.finished and name in handed_in and handed_in[name].model_patch == result.patch
        }

    def write(self, result: Result) -> None:
        """Keep a result. One that has failed gets no prediction, and so is tried again by the next run."""
        name = result.instance_id
        self.results[name] = result
        if result.finished:
            commit(self.run.folder, result, self.run.made_by, self._order)
            self.finished.add(name)
        else:
            Artifacts(self.run.folder, name).write_record("result.json", result)

    def grade(self, name: str, graded: Graded) -> None:
        """Add a verdict to a finished instance's result."""
        self.results[name] = self.results[name].model_copy(update={"graded": graded})
        Artifacts(self.run.folder, name).write_record("result.json", self.results[name])


def _result(folder: Path, name: str) -> Result | None:
    path = folder / name / "result.json"
    if not path.is_file():
        return None
    return Result.model_validate_json(path.read_bytes())


def _start_over(folder: Path, order: Sequence[str]) -> None:
    """Remove what a run leaves, and nothing else that may lie there; its manifest last, so that a kill in
    between leaves a folder of the same run."""
    for name in _OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    for name in order:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "manifest.json").unlink(missing_ok=True)
