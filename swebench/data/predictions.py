"""Predictions in the form that the official harness reads: one JSON object a line."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from swebench.data.rows import read_rows
from swebench.errors import InvalidRow
from swebench.files import write_atomic


@dataclass(frozen=True)
class Prediction:
    """A patch, which may be empty, for an instance and the name of what made it, named as in the harness."""

    instance_id: str
    model_name_or_path: str
    model_patch: str


def read_predictions(path: Path) -> dict[str, Prediction]:
    """The predictions of a .jsonl file, or a .json file with one array or an object by instance id.

    A missing patch (null) counts as empty. Raises InvalidRow, which names the file and the line, for a row
    that lacks a column or repeats an instance.
    """
    found: dict[str, Prediction] = {}
    for place, row in read_rows(path):
        values = (row.get("instance_id"), row.get("model_name_or_path"), row.get("model_patch") or "")
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) < len(values) or not texts[0]:
            raise InvalidRow(
                f"{place}: a prediction needs the texts instance_id, model_name_or_path and model_patch"
            )
        prediction = Prediction(*texts)
        if prediction.instance_id in found:
            raise InvalidRow(f"{place}: instance {prediction.instance_id} occurs twice")
        found[prediction.instance_id] = prediction
    return found


def record_prediction(path: Path, prediction: Prediction, order: Sequence[str] = ()) -> None:
    """Put a prediction into a .jsonl file in place of an earlier one for the same instance.

    `order` lists instance ids: the file has its rows in this order, and those of other ids after them.

    The file is written whole and renamed under a lock: concurrent writers lose nothing, and a kill leaves the
    old file or the new one, never half a line. Raises InvalidRow when the file that is there is not of this
    form.
    """
    with FileLock(path.parent / f".{path.name}.lock"):
        predictions = read_predictions(path) if path.exists() else {}
        predictions[prediction.instance_id] = prediction
        rows = [predictions.pop(name) for name in order if name in predictions] + list(predictions.values())
        write_atomic(path, "".join(json.dumps(asdict(row)) + "\n" for row in rows))
