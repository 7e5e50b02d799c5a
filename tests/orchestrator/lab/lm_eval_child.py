"""What lm-eval's own models and ours make of the same items; runs where lm-eval is installed.

Arguments: a model's folder, a folder to write in. Prints one JSON document.
"""

import json
import sys
from pathlib import Path

import torch

from orchestrator.errors import ConfigError
from orchestrator.lab.harness import run_tasks
from orchestrator.lab.lm_eval_model import SteeredModel, evaluate, peer
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.formats.lm_eval import write
from vectors.measuring.journal import Journal
from vectors.progress import silent

_TASKS = {
    "written": """
        output_type: generate_until
        doc_to_text: "{{begins}}"
        doc_to_target: "{{ends}}"
        generation_kwargs: {until: [" the"], max_gen_toks: 12, do_sample: false}
        metric_list: [{metric: exact_match}]
    """,
    "chosen": """
        output_type: multiple_choice
        doc_to_text: "{{begins}}"
        doc_to_choice: [" a", " b", " c d e f"]
        doc_to_target: 0
        metric_list: [{metric: acc}]
    """,
    "letters": """
        output_type: multiple_choice
        doc_to_text: "{{begins}}"
        doc_to_choice: ["a", "b", "c"]
        doc_to_target: 0
        target_delimiter: ""
        metric_list: [{metric: acc}]
    """,
    "read": """
        output_type: loglikelihood_rolling
        doc_to_text: ""
        doc_to_target: "{{begins}} {{ends}}"
        metric_list: [{metric: bits_per_byte}]
    """,
}
_ITEMS = [
    {"begins": f"def name_{number}(value): return {text}", "ends": text * number}
    for number, text in enumerate(("value", "the sum", "not so", "print(value)", "a list of them", "x"), 1)
]
_STEERED = 1.5


def main(model: str, folder: Path) -> None:
    """Ask both of everything."""
    tasks = folder / "tasks"
    tasks.mkdir()
    items = tasks / "items.jsonl"
    items.write_text("".join(json.dumps(item) + "\n" for item in _ITEMS))
    for name, text in _TASKS.items():
        lines = [line.strip() for line in text.strip().splitlines()]
        data = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {items}}}}}\ntest_split: test\n"
        (tasks / f"{name}.yaml").write_text(f"task: {name}\n{data}" + "\n".join(lines) + "\n")
    torch.set_num_threads(1)
    settings = Settings(model=model, dtype="float32", cache=folder / "cache")
    with Session(settings, progress=silent) as session:
        vector = session.vectors.get(session.model, "bug_analysis")
        steering = (vector.intervention(1, _STEERED),)
        (folder / "steer.pt").write_bytes(write(steering, session.model))
        ours = SteeredModel.of(session, [(), steering], Journal())
        names = list(_TASKS)
        found = {
            "ours": _plain(evaluate(ours, names, include=tasks)),
            "ours, steered": _plain(evaluate(ours.under(1), names, include=tasks)),
        }
        text = f"{_STEERED}·bug_analysis@1"
        result = run_tasks(session, ["letters", "written"], [text], include=tasks)
        unknown = ""
        try:
            evaluate(ours, ["no_such_task"], include=tasks)
        except ConfigError as error:
            unknown = str(error)
    theirs = {"pretrained": model, "dtype": "float32", "device": "cpu"}
    found["hf"] = _plain(evaluate(peer("hf", theirs), names, include=tasks))
    steered = {**theirs, "steer_path": str(folder / "steer.pt")}
    found["steered"] = _plain(evaluate(peer("steered", steered), names, include=tasks))
    print(json.dumps({"found": found, "result": result.model_dump(), "unknown": unknown}))


def _plain(found):
    return {
        task: [[each.text, each.scores, each.metrics] for each in samples] for task, samples in found.items()
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
