"""Holds round trips of GGUF files against llama.cpp: `python -m tests.vectors.models.gguf_referee PYTHON`.

PYTHON is that of an environment with llama-cpp-python. Writes docs/results/gguf.json.
"""

import datetime
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from tests.vectors import tiny
from tests.vectors.models.test_gguf_round_trips import TRIPS, there
from vectors.models import checkpoints, gguf_files
from vectors.progress import silent

ROWS, TOKENS = 8, 200
DRIVER = Path(__file__).with_name("llamacpp_logits.py")
RESULT = Path("docs/results/gguf.json")
COLUMNS = [
    "file",
    "to the source model: distance",
    "same next token",
    "to llama.cpp: distance",
    "same next token",
]


def main(python):
    ids = torch.tensor([tiny.prompt(seed, TOKENS) for seed in range(ROWS)])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = {name: folder / f"{number}.gguf" for number, name in enumerate(TRIPS)}
        sources = {name: computed(there(path, TRIPS[name]), ids) for name, path in files.items()}
        document = {"files": [str(path) for path in files.values()], "rows": ids.tolist()}
        subprocess.run([python, str(DRIVER)], input=json.dumps(document), text=True, check=True)
        rows = []
        for name, path in files.items():
            converted = gguf_files.converted(path, folder / "models", silent)
            found = computed(checkpoints.load(converted, torch.float32, "cpu")[0], ids)
            theirs = np.load(f"{path}.npy")
            rows.append([name, *apart(found, sources[name]), *apart(found, theirs)])
    about = {
        "command": "python -m tests.vectors.models.gguf_referee PYTHON",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"float32, {ROWS} rows of {TOKENS} random tokens, greatest distance of logits",
        "versions": {name: importlib.metadata.version(name) for name in ("transformers", "torch", "gguf")}
        | {"llama-cpp-python": version_in(python)},
    }
    RESULT.write_text(json.dumps({"about": about, "columns": COLUMNS, "rows": rows}, indent=1) + "\n")


def computed(model, ids):
    with torch.no_grad():
        return model(input_ids=ids).logits.numpy()


def apart(one, other):
    """The greatest distance, and the share of places with the same next token."""
    same = (one.argmax(-1) == other.argmax(-1)).mean()
    return f"{np.abs(one - other).max():.0e}", f"{100 * same:.1f} %"


def version_in(python):
    script = "import llama_cpp; print(llama_cpp.__version__)"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1])
