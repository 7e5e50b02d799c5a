"""What a manifest says determines a run: all of it, and nothing else."""

import re
import sys
from pathlib import Path

from orchestrator.run_config import RunConfig
from orchestrator.session import libraries
from tests.test_packaging import modules_imported_by

ROOT = Path(__file__).parents[2]
ON_THE_WAY = (
    "orchestrator/task", "orchestrator/repair", "orchestrator/policy", "retrieval", "swebench/catalogue",
    "swebench/patches", "swebench/running", "vectors/engine", "vectors/models", "vectors/operations",
)  # fmt: skip
NOT_OF_A_RUN = ("orchestrator/repair/training", "retrieval/bench.py")
DECIDE_NOTHING = {
    "annotated_types", "filelock", "git", "pydantic", "pydantic_core",  # types and locks
    "packaging", "platformdirs", "structlog", "tqdm",  # an environment's Python, folders, logs, progress
    "gguf", "huggingface_hub", "safetensors",  # files of a model, whose content the manifest has by its hash
    "unidiff",  # reads gold patches, which nothing that solves a task does
}  # fmt: skip
NAMES = {"rank_bm25": "rank-bm25"}


def imported():
    """The packages of others that code on the way of a task imports."""
    ours = {"orchestrator", "vectors", "retrieval", "swebench", "services"}
    found = set()
    for folder in ON_THE_WAY:
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)).startswith(NOT_OF_A_RUN):
                continue
            found |= {module.partition(".")[0] for module in modules_imported_by(path)}
    return {NAMES.get(name, name) for name in found - ours - set(sys.stdlib_module_names)}


def test_each_library_on_the_way_of_a_task_is_in_the_manifest_or_known_to_decide_nothing():
    named = set(libraries(RunConfig(few_shot=1)))
    assert imported() - DECIDE_NOTHING == named - {"python"}


def test_what_only_chooses_worked_examples_is_named_where_there_are_some():
    assert "rank-bm25" not in libraries(RunConfig()) and "rank-bm25" in libraries(RunConfig(few_shot=2))
    assert re.fullmatch(r"3\.\d+", str(libraries(RunConfig())["python"]))


def test_the_day_that_a_template_writes_is_recorded(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from orchestrator.session import Session
    from orchestrator.settings import Settings
    from vectors.progress import silent

    model = SimpleNamespace(
        model_id="m", revision="r", digest="d", dtype="torch.float32", chat=SimpleNamespace(date="2026-01-01")
    )
    vectors = SimpleNamespace(fingerprint=lambda model, domain: "f")
    session = Session(Settings(cache=tmp_path), progress=silent)
    session.__dict__.update(model=model, vectors=vectors)
    assert session.determinants(RunConfig(), "bundled", "s")["template_date"] == "2026-01-01"
    model.chat.date = None
    assert "template_date" not in session.determinants(RunConfig(), "bundled", "s")
