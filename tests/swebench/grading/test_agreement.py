"""Our verdicts beside the official ones on the same logs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.gitio import Git
from swebench.data.bundles import ensure_repositories
from swebench.data.loading import load_instances
from swebench.data.tasks import Instance
from swebench.errors import EnvironmentUnavailable
from swebench.grading.log_parsers import Status, status_of
from swebench.grading.official.client import Official
from swebench.grading.verdicts import grade

SHARED = Path(__file__).parents[4] / "shared" / "data" / "swebench_verified_dev_full.jsonl"
BUNDLED = load_instances("bundled").instances
ONE_OF_EACH = list({instance.repo: name for name, instance in sorted(BUNDLED.items())}.values())


@pytest.fixture(scope="module")
def official(cache_dir) -> Official:
    found = Official(cache_dir)
    try:
        found.statuses("pallets/flask", "")
    except EnvironmentUnavailable as unavailable:
        pytest.skip(str(unavailable))
    return found


def all_pass(instance: Instance, statuses: dict[str, str]) -> bool:
    known = {test: Status(status) for test, status in statuses.items()}
    return all(status_of(test, known).passes for test in (*instance.fail_to_pass, *instance.pass_to_pass))


def kept_logs(cache: Path) -> Iterator[tuple[Instance, bool, str]]:
    """Instance, whether we found it resolved, and the log, of every certificate in the cache."""
    instances = load_instances(str(SHARED)).instances
    for path in sorted((cache / "certificates").glob("*/certificate.json")):
        certificate = json.loads(path.read_text())
        if instance := instances.get(certificate["instance_id"]):
            yield instance, certificate["gold_resolves"], (path.parent / "gold.log").read_text()
            yield instance, False, (path.parent / "empty.log").read_text()


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("which", ["gold", "none"])
def test_our_parser_and_rule_agree_with_the_official_ones_on_a_pytest_log(
    name, which, official, cache_dir, test_bed
):
    instance = BUNDLED[name]
    repository = Git(ensure_repositories(cache_dir, Git) / f"{instance.repo.replace('/', '__')}.git")
    verdict = grade(instance, repository, instance.patch if which == "gold" else "", test_bed=test_bed)
    # The official package knows no bundled task; flask's logs are pytest's too.
    as_flask = replace(instance, task=replace(instance.task, repo="pallets/flask", version="2.3"))
    assert official.grade(as_flask, verdict.log).resolved == verdict.resolved == (which == "gold")


@pytest.mark.slow
def test_every_log_of_a_certificate_is_judged_as_the_official_grading_does(official, cache_dir):
    logs = list(kept_logs(cache_dir)) if SHARED.is_file() else []
    if not logs:
        pytest.skip(
            "no certificates of SWE-bench instances in the cache: `orchestrate grade --gold` makes them"
        )
    for instance, ours, log in logs:
        report = official.grade(instance, log)
        assert report.resolved == ours, instance.instance_id
        assert all_pass(instance, report.statuses) == ours, instance.instance_id
