#!/usr/bin/env bash
# lm-eval 0.4.13, tasks gsm8k (version 3.0) and mmlu_pro (version 3.1): what is taken for a model's answer.
#
# Seen: `flexible-extract` of gsm8k takes the LAST run of two or more of the characters "$0-9.,", so an answer
# that trails off in an ellipsis is "...", and "$18.00" keeps its decimals: after the task's own
# `regexes_to_ignore` it is "18.00", which is not equal to the gold "18". `custom-extract` of mmlu_pro takes the
# FIRST letter after "answer is ", so "the answer is I think (B)" is counted as option I.
# A comparison of steered and unsteered answers that uses these filters measures style too: how an answer ends,
# and how it is introduced, decides whether it counts.
#
# The package's filters need none of its dependencies, so only it and PyYAML are installed. Exit 1 where the
# behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps lm-eval==0.4.13 PyYAML==6.0.3
"$folder/venv/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version
from pathlib import Path

import lm_eval
import yaml
from lm_eval.filters.extraction import RegexFilter


class Loader(yaml.SafeLoader):
    """Reads a task's file; its !function values are of no interest here."""


Loader.add_constructor("!function", lambda loader, node: node.value)
tasks = Path(lm_eval.__file__).parent / "tasks"
gsm8k = yaml.load((tasks / "gsm8k" / "gsm8k.yaml").read_text(), Loader)
mmlu_pro = yaml.load((tasks / "mmlu_pro" / "_default_template_yaml").read_text(), Loader)


def taken(task, name, text):
    """What the named filter of a task takes from one answer."""
    (steps,) = [each["filter"] for each in task["filter_list"] if each["name"] == name]
    settings = {key: value for key, value in steps[0].items() if key != "function"}
    return RegexFilter(**settings).apply([[text]], [{}])[0][0]


def compared(text):
    """The text as exact_match compares it: without what the task says is to be ignored."""
    for pattern in gsm8k["metric_list"][0]["regexes_to_ignore"]:
        text = re.sub(pattern, "", text)
    return text


print("lm-eval", version("lm-eval"), "| gsm8k", gsm8k["metadata"], "| mmlu_pro", mmlu_pro["metadata"])
expected = {
    ("gsm8k", "flexible-extract", "She has 18 eggs left."): "18",
    ("gsm8k", "flexible-extract", "She has 18 eggs left, and so on..."): "...",
    ("gsm8k", "flexible-extract", "She makes $18.00 a day"): "$18.00",
    ("mmlu_pro", "custom-extract", "The answer is (B)."): "B",
    ("mmlu_pro", "custom-extract", "The answer is I think (B)."): "I",
}
seen = {key: taken({"gsm8k": gsm8k, "mmlu_pro": mmlu_pro}[key[0]], *key[1:]) for key in expected}
for key, value in seen.items():
    print(f"{key[0]:9} {key[1]:17} {key[2]!r:40} -> {value!r}")
print("compared with the gold '18':", repr(compared("$18.00")))
assert seen == expected, "changed"
assert compared("$18.00") == "18.00", "changed"
PYTHON
