"""Runs where lm-eval is installed: its own filters and metrics on texts from stdin, as JSON on stdout."""

import json
import sys
from pathlib import Path

import lm_eval
import yaml
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters import build_filter_ensemble

TASKS = {
    "gsm8k": "gsm8k/gsm8k.yaml",
    "cot": "gsm8k/gsm8k-cot-zeroshot.yaml",
    "mmlu_pro": "mmlu_pro/_default_template_yaml",
}


class Loader(yaml.SafeLoader):
    """Passes over the functions that a task names."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def main() -> None:
    asked = json.load(sys.stdin)
    found = {}
    for name, path in TASKS.items():
        text = (Path(lm_eval.__file__).parent / "tasks" / path).read_text()
        task = yaml.load(text, Loader)
        instances = [Instance("generate_until", {}, (), 0, resps=[output]) for output in asked["outputs"]]
        for each in task["filter_list"]:
            steps = [
                (step["function"], {key: of for key, of in step.items() if key != "function"} or None)
                for step in each["filter"]
            ]
            build_filter_ensemble(each["name"], steps).apply(instances)
            filtered = [instance.filtered_resps[each["name"]] for instance in instances]
            (metric,) = task["metric_list"]
            how = {key: of for key, of in metric.items() if key.startswith(("ignore", "regexes"))}
            right = [
                [
                    bool(exact_match_hf_evaluate([text], [answer], **how)["exact_match"])
                    for answer in asked["answers" if name != "mmlu_pro" else "letters"]
                ]
                for text in filtered
            ]
            found[f"{name} {each['name']}"] = {"filtered": filtered, "right": right}
    json.dump({"version": lm_eval.__version__, "found": found}, sys.stdout)


main()
