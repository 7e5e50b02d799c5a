"""Our verdicts beside those of the official harness, release 5, on the same logs and statuses."""

import json
import random
import subprocess

import pytest

from retrieval.gitio import Git
from swebench.data.bundles import ensure_repositories
from swebench.data.loading import load_instances
from swebench.data.tasks import Instance
from swebench.errors import EnvironmentUnavailable
from swebench.grading import verdicts
from swebench.grading.official.client import Official
from swebench.grading.verdicts import grade
from swebench.running.hearing import Status
from tests.swebench.conftest import calc_row

BUNDLED = load_instances("bundled").instances
ONE_OF_EACH = list({instance.repo: name for name, instance in sorted(BUNDLED.items())}.values())
CODE = """
import importlib.util, json, pathlib, sys, types
root = pathlib.Path(importlib.util.find_spec("swebench").origin).parent
sys.modules["swebench.harness"] = types.ModuleType("swebench.harness")
sys.modules["swebench.harness"].__path__ = [str(root / "harness")]
from swebench.harness import grading
from swebench.harness.log_parsers.python import parse_log_pytest
def resolved(f2p, p2p, found):
    report = grading.get_eval_tests_report(found, {"FAIL_TO_PASS": f2p, "PASS_TO_PASS": p2p})
    return grading.get_resolution_status(report) == "RESOLVED_FULL"
for f2p, p2p, found in json.load(sys.stdin):
    print(int(resolved(f2p, p2p, parse_log_pytest(found, None) if isinstance(found, str) else found)))
"""


@pytest.fixture(scope="module")
def official(cache_dir):
    """Asks release 5, whose grading needs nothing but itself, whether (f2p, p2p, log or statuses) resolve."""
    try:
        python = Official(cache_dir)._python("grading", ("unidiff==0.7.5",), ("--no-deps", "swebench==5.0.2"))
    except EnvironmentUnavailable as missing:
        pytest.skip(f"needs a package registry on first use: {missing}")

    def ask(cases):
        done = subprocess.run(
            [python, "-I", "-c", CODE], input=json.dumps(cases), capture_output=True, text=True, check=True
        )
        return [line == "1" for line in done.stdout.split()]

    return ask


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("which", ["gold", "none"])
def test_our_verdict_is_the_official_one_on_a_pytest_log(name, which, official, cache_dir, test_bed):
    instance = BUNDLED[name]
    repository = Git(ensure_repositories(cache_dir, Git) / f"{instance.repo.replace('/', '__')}.git")
    verdict = grade(instance, repository, instance.patch if which == "gold" else "", test_bed=test_bed)
    case = (instance.fail_to_pass, instance.pass_to_pass, verdict.log)
    assert official([case]) == [verdict.resolved] == [which == "gold"]


def test_our_rule_is_the_official_one_on_any_statuses(official):
    """Skipped tests, missing ones and cut ids among them; of XPASS the official parsers say nothing."""
    drawn = random.Random(5)
    ids = ["t.py::a", "t.py::b", "t.py::c[x", "t.py::c[x y]", "t.py::c[x z]", "t.py::d[1]", "t.py::d["]
    weights = {"PASSED": 6, "XFAIL": 1, "SKIPPED": 2, "FAILED": 1, "ERROR": 1}
    cases = []
    for _ in range(2_000):
        picked = drawn.sample(ids, drawn.randint(1, 5))
        found = drawn.choices(list(weights), list(weights.values()), k=len(picked))
        statuses = dict(zip(picked, found, strict=True))
        cases.append(
            (drawn.sample(ids, drawn.randint(1, 2)), drawn.sample(ids, drawn.randint(0, 2)), statuses)
        )
    ours = [
        verdicts._verdict(
            Instance.from_row(calc_row("a" * 40, FAIL_TO_PASS=f2p, PASS_TO_PASS=p2p)),
            {test: Status(status) for test, status in statuses.items()},
        ).resolved
        for f2p, p2p, statuses in cases
    ]
    theirs = official(cases)
    assert [case for case, us, them in zip(cases, ours, theirs, strict=True) if us != them] == []
    assert 200 < sum(ours) < 1_800
