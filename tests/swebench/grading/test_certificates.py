"""Certificates in the cache: made by two runs, kept whole, and never used for anything else."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from swebench.errors import NotGradeable
from swebench.grading import certificates
from swebench.grading.certificates import Certificates
from swebench.grading.verdicts import certify
from swebench.running.hearing import Status
from tests.swebench.conftest import CALC
from tests.swebench.grading.scripted import ToldBed, told_run

ADD, DOUBLE = "tests/test_calc.py::test_add", "tests/test_calc.py::test_double"
P, F = Status.PASSED, Status.FAILED
RIGHT, WRONG = CALC["calc.py"].replace("a - b", "a + b"), CALC["calc.py"]
GOOD = {
    RIGHT: told_run({ADD: P, DOUBLE: P}, seconds=2.0),
    WRONG: told_run({ADD: F, DOUBLE: P}, seconds=0.5),
}


@pytest.fixture
def store(tmp_path):
    return Certificates(tmp_path / "cache")


def test_a_certificate_is_made_by_two_runs_and_says_what_came_of_them(calc, store, monkeypatch, tmp_path):
    git, instance = calc
    bed = ToldBed(monkeypatch, GOOD)
    found = store.of(instance, git, test_bed=bed, timeout_s=30.0)
    assert [each[2] for each in bed.ran] == [30.0, 30.0]
    assert found.certified and found.gold_resolves and found.instance_id == "acme__calc-1"
    assert found.reason == "the gold patch resolves it, and without a patch its tests fail"
    assert (found.gold_seconds, found.empty_seconds, found.seconds) == (2.0, 0.5, 2.5)
    assert found.environment == "told"
    (folder,) = (tmp_path / "cache" / "certificates").iterdir()
    assert folder.name.startswith("acme__calc-1-") and found.logs == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["certificate.json", "empty.log", "gold.log"]
    assert (folder / "gold.log").read_text() == GOOD[RIGHT].log
    assert (folder / "empty.log").read_text() == GOOD[WRONG].log
    made = datetime.fromisoformat(found.made_at)
    assert timedelta(seconds=-1) <= datetime.now(UTC) - made < timedelta(minutes=5) and not made.microsecond
    lines = (folder / "certificate.json").read_text().splitlines()
    assert len(lines) == 2 + len(dataclasses.fields(found)) and lines[1].startswith('  "')


def test_a_certificate_is_used_again_as_it_was_and_made_anew_only_when_told(calc, store, monkeypatch):
    git, instance = calc
    found = store.of(instance, git, test_bed=ToldBed(monkeypatch, GOOD), timeout_s=30.0)
    idle = ToldBed(monkeypatch, {})
    assert store.of(instance, git, test_bed=idle, timeout_s=30.0) == found and idle.ran == []
    worse = ToldBed(monkeypatch, {**GOOD, RIGHT: GOOD[WRONG]})
    assert not store.of(instance, git, test_bed=worse, timeout_s=30.0, fresh=True).certified
    assert len(worse.ran) == 2
    assert not store.of(instance, git, test_bed=idle, timeout_s=30.0).certified


def test_another_row_environment_limit_or_rule_asks_for_another_certificate(calc, store, monkeypatch):
    git, instance = calc
    bed, elsewhere = ToldBed(monkeypatch, GOOD), ToldBed(monkeypatch, GOOD, "elsewhere")
    proof, made = certify(instance, git, test_bed=bed), []
    monkeypatch.setattr(certificates, "certify", lambda *_, **given: made.append(given) or proof)

    def is_made(instance=instance, bed=bed, timeout_s=30.0):
        made.clear()
        store.of(instance, git, test_bed=bed, timeout_s=timeout_s)
        return made == [{"test_bed": bed, "timeout_s": timeout_s}]

    assert is_made() and not is_made()
    assert is_made(dataclasses.replace(instance, hints_text="another"))
    assert is_made(dataclasses.replace(instance, pass_to_pass=()))
    assert is_made(timeout_s=31.0)
    assert is_made(bed=elsewhere) and not is_made(bed=elsewhere)
    monkeypatch.setattr(certificates, "_RULES", certificates._RULES + 1)
    assert is_made()


@pytest.mark.parametrize(
    ("runs", "resolves", "reason"),
    [
        (
            {**GOOD, RIGHT: GOOD[WRONG]},
            False,
            "not certified: the gold patch: 1 of 1 FAIL_TO_PASS and 0 of 1 PASS_TO_PASS tests do not pass",
        ),
        ({**GOOD, WRONG: GOOD[RIGHT]}, True, "not certified: without a patch: all tests pass"),
        (
            {**GOOD, WRONG: told_run({}, exit_code=3, log="words", fault="gone")},
            True,
            "not certified: without a patch: no verdict: gone (exit code 3): words",
        ),
    ],
)
def test_why_an_instance_does_not_count_is_said_in_a_line(calc, store, monkeypatch, runs, resolves, reason):
    git, instance = calc
    bed = ToldBed(monkeypatch, runs)
    for _ in range(2):
        found = store.of(instance, git, test_bed=bed, timeout_s=30.0)
        assert not found.certified and found.gold_resolves is resolves and found.reason == reason


def test_what_cannot_be_graded_leaves_nothing_behind(calc, store, monkeypatch, tmp_path):
    git, instance = calc
    wrong = dataclasses.replace(instance, test_patch="nonsense")
    with pytest.raises(NotGradeable, match="its test_patch does not apply"):
        store.of(wrong, git, test_bed=ToldBed(monkeypatch, GOOD), timeout_s=30.0)
    assert not (tmp_path / "cache").exists()


def test_a_log_that_is_no_text_is_kept_as_far_as_it_is_one(calc, store, monkeypatch):
    git, instance = calc
    odd = told_run({ADD: P, DOUBLE: P})
    odd = dataclasses.replace(odd, log=f"é\udc80\n{odd.log}")
    found = store.of(instance, git, test_bed=ToldBed(monkeypatch, {**GOOD, RIGHT: odd}), timeout_s=30.0)
    (folder,) = store._folder.iterdir()
    assert found.certified and (folder / "gold.log").read_text("utf-8").startswith("é?\n")
    assert json.loads((folder / "certificate.json").read_text("utf-8"))["certified"] is True
