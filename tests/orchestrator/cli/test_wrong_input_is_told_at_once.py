"""Wrong input is answered before anything large is imported: torch alone takes seconds.

No clock: all commands run in one process in which what is large cannot be imported.
"""

import json
import subprocess
import sys

import pytest

TASK = "brinewave__ledgerly-19"
WRONG = [
    "solve nope__x-1",
    f"solve {TASK} --dataset missing.jsonl",
    f"solve {TASK} --dataset nosuch",
    f"solve {TASK} --model nosuch",
    f"solve {TASK} --samples 0",
    "solve --repo empty --problem problem.txt",
    "evaluate --instances nope__x-1",
    "evaluate --dataset missing.jsonl",
    "evaluate --limit 1 --model nosuch",
    "grade predictions.jsonl",
    "grade --gold --instances nope__x-1",
    "retrieve nope__x-1",
    f"retrieve {TASK} --dataset missing.jsonl",
    "report empty",
    "models show nosuch",
    "models pull nosuch",
    "vectors show nosuch",
    "vectors show missing.safetensors",
    "vectors extract code_reading nosuch",
    "vectors calibrate nosuch",
    "lab sweep nosuch",
    "lab lens code_reading --model nosuch",
    "lab diversity nosuch",
    "lab compose code_reading nosuch",
    "lab demo --model nosuch",
    "lab gsm8k --model nosuch",
    "lab gsm8k --dataset missing.jsonl",
    "lab mmlu-pro --model nosuch",
    "lab prompts --model nosuch",
    "lab budget --model nosuch",
    "lab context --model nosuch",
    "lab context --dataset missing.jsonl",
    "lab demo --dataset missing.jsonl",
    "lab demo --reports 9",
    "lab lm-eval arc --model nosuch",
    "lab tokenizers nosuch",
    "lab geometry --model smollm2-135m --model nosuch",
    "lab geometry --model smollm2-135m",
    "lab transfer smollm2-135m nosuch",
    "lab transfer smollm2-135m gemma-3-270m --certify nosuch",
    "vectors transfer smollm2-135m nosuch code_reading",
    "vectors transfer smollm2-135m gemma-3-270m nosuch",
    "vectors transfer smollm2-135m smollm2-135m code_reading",
    "lab neuronpedia --keyword date --export empty",
    "lab neuronpedia --keyword date --of a/b --source s",
    "lab neuronpedia --keyword date --of m --source s --vector nosuch",
    "lab neuronpedia --keyword date --of m --source s --vector calendar --publish",
    "lab report empty",
    "lab sae train nosuch",
    "lab sae train empty",
    "lab sae train problem.txt --model nosuch",
    "lab sae train problem.txt --k 0",
    "lab sae analyse empty",
    "lab sae show empty",
    "lab sae features empty code_reading",
    "lab sae export empty --out new",
    "lab sae export saes --out saes",
    "lab sae show saes --features -1",
    "vectors export nosuch --format gguf --out x.gguf",
    "bench engine --model nosuch",
    "bench retrieval --dataset missing.jsonl",
    "bench repair --dataset missing.jsonl",
    "bench evaluate --model nosuch",
    "bench sae nosuch",
    "bench sae problem.txt --model nosuch",
    "serve --model nosuch",
]

_CHILD = """
import contextlib, io, json, sys

large = ("torch", "transformers", "langgraph", "scipy", "datasets", "matplotlib", "pandas", "fastapi")
sys.modules |= dict.fromkeys(large)  # from now on importing one of them raises ImportError

from orchestrator.cli import main

for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(line.split())
        except SystemExit as exit_:
            found = exit_.code
        except ImportError as error:
            found = f"imported: {error}"
    print(json.dumps([line.strip(), found, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the command line said to each line: its exit code, or what it wanted to import, and its text."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "empty").mkdir()
    (folder / "saes").mkdir()
    (folder / "saes" / "cfg.json").write_text("{}")
    (folder / "problem.txt").write_text("It fails.")
    prediction = {"instance_id": "nope__x-1", "model_name_or_path": "m", "model_patch": ""}
    (folder / "predictions.jsonl").write_text(json.dumps(prediction) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input="\n".join(WRONG),
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "ORCHESTRATE_CACHE": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line: (code, said) for line, code, said in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_input_is_told_in_a_line_before_anything_large_is_imported(answers, line):
    code, said = answers[line]
    assert code == 2, said
    assert said.strip()
    assert "Traceback" not in said
