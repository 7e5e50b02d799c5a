"""Our extraction against lm-eval's own filters and metrics on the same 300 outputs.

`python -m tests.lab.extraction` installs lm-eval into an environment of its own (`--folder` keeps it), has
its filters read the outputs, and exits with 1 where anything differs. The suite does it too, where lm-eval
can be had.
"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.clients.environments import Client
from tests.lab.outputs import ANSWERS, outputs
from vectors.lab.evaluation import gsm8k, mmlu_pro

LM_EVAL = Client("lm-eval-hf", "", ("lm-eval[hf]==0.4.13",), sees_ours=True)
CHOICES = ("A", "E", "J")
OURS: dict[str, Callable[[str], str]] = {
    "gsm8k strict-match": lambda text: gsm8k.strict("few-shot-5", text),
    "gsm8k flexible-extract": gsm8k.flexible,
    "cot strict-match": lambda text: gsm8k.strict("cot", text),
    "cot flexible-extract": gsm8k.flexible,
    "mmlu_pro custom-extract": lambda text: mmlu_pro.chosen(text) or gsm8k.NO_ANSWER,
}


def differences(theirs: dict[str, dict[str, list]], texts: list[str]) -> list[str]:
    """What is extracted differently, or judged differently against an answer."""
    assert theirs.keys() == OURS.keys()
    found = []
    for name, extract in OURS.items():
        letters = name.startswith("mmlu_pro")
        for place, text in enumerate(texts):
            ours = extract(text)
            if ours != theirs[name]["filtered"][place]:
                found.append(f"{name}: {text!r} gives {ours!r}, theirs {theirs[name]['filtered'][place]!r}")
            answers = CHOICES if letters else ANSWERS
            judged = [ours == each if letters else gsm8k.correct(ours, each) for each in answers]
            if judged != theirs[name]["right"][place]:
                found.append(f"{name}: {text!r} is judged {judged}, theirs {theirs[name]['right'][place]}")
    return found


def compared(python: Path) -> tuple[str, list[str]]:
    """What was compared in lm-eval's environment, and where it differs."""
    texts = outputs()
    asked = json.dumps({"outputs": texts, "answers": ANSWERS, "letters": CHOICES})
    script = Path(__file__).with_name("filters.py")
    done = subprocess.run([python, script], input=asked, stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout)
    found = differences(said["found"], texts)
    right = sum(map(sum, said["found"]["gsm8k flexible-extract"]["right"]))
    return (
        f"lm-eval {said['version']}: {len(texts)} outputs by {len(OURS)} filters, "
        f"{len(ANSWERS)} answers each, {right} matches, {len(found)} differences"
    ), found


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".clients"))
    said, found = compared(LM_EVAL.python(parser.parse_args().folder.absolute()))
    print(*found, said, sep="\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(_main())
