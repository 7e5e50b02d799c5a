#!/usr/bin/env bash
# lm-eval 0.4.13, model `local-completions`: which fields of a request a caller can add to.
#
# Seen: what `--gen_kwargs` names becomes fields of the bodies of generation requests, known to OpenAI or not, so a
# server's own field (a `steering`, say) can be given on the command line. Requests for log-likelihoods have seven
# fixed fields and nothing else, whatever is given: the same server would be asked for steered answers and unsteered
# scores in one run, and no word is said about it. A subclass that extends `_create_payload` gets both
# (tests/clients/talks/with_lm_eval.py).
#
# The function needs none of the package's dependencies, so it is taken out of its file. Exit 1 where the behaviour
# has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps lm-eval==0.4.13
"$folder/venv/bin/python" - <<'PYTHON'
import ast
from importlib.metadata import distribution, version
from types import SimpleNamespace

package = distribution("lm-eval")
path = next(file for file in package.files if str(file).endswith("models/openai_completions.py"))
(client,) = [
    node
    for node in ast.parse(path.locate().read_text()).body
    if isinstance(node, ast.ClassDef) and node.name == "LocalCompletionsAPI"
]
(payload,) = [node for node in client.body if getattr(node, "name", "") == "_create_payload"]
names = {"handle_stop_sequences": lambda until, eos: until}
exec(compile("from __future__ import annotations\n" + ast.unparse(payload), str(path), "exec"), names)
model = SimpleNamespace(model="m", _max_gen_toks=16)


def fields(generate):
    """The fields of a request's body, given a field of the server's own."""
    return sorted(names["_create_payload"](model, "text", generate, {"steering": {"alpha": 1}}))


print("lm-eval", version("lm-eval"))
print("generation:     ", ", ".join(fields(True)))
print("log-likelihood: ", ", ".join(fields(False)))
assert "steering" in fields(True), "changed"
assert "steering" not in fields(False), "changed"
PYTHON
