"""Rows as other data sets publish them: small ones of our own, with the columns that theirs have."""

import json

import pytest

from swebench.data.loading import load_instances
from swebench.data.tasks import Instance
from swebench.errors import InvalidTask, NotGradeable
from swebench.grading.verdicts import ensure_gradeable

SHA = "a" * 40
COMMON = {
    "instance_id": "acme__calc-1",
    "repo": "acme/calc",
    "base_commit": SHA,
    "patch": "p",
    "test_patch": "t",
    "problem_statement": "add() subtracts",
}
LISTS = {"FAIL_TO_PASS": ["tests/t.py::a"], "PASS_TO_PASS": ["tests/t.py::b"]}


def refused(instance):
    with pytest.raises(NotGradeable) as raised:
        ensure_gradeable(instance)
    return str(raised.value)


def test_swe_bench_pro_has_python_text_and_what_to_solve_in_three_columns():
    row = COMMON | {
        "instance_id": "instance_acme__calc-0ea40e09-v30a9",
        "fail_to_pass": "['tests/t.py::a', \"tests/t.py::it's\"]",
        "pass_to_pass": "['tests/t.py::b']",
        "repo_language": "python",
        "requirements": "- add() adds",
        "interface": "No new interfaces are introduced",
        "selected_test_files_to_run": "['tests/t.py']",
        "dockerhub_tag": "acme.calc-1",
    }
    found = Instance.from_row(row)
    assert found.fail_to_pass == ("tests/t.py::a", "tests/t.py::it's")
    assert found.pass_to_pass == ("tests/t.py::b",)
    assert found.task.problem_statement == (
        "add() subtracts\n\nRequirements:\n- add() adds\n\n"
        "New interfaces introduced:\nNo new interfaces are introduced"
    )
    assert "no version" in refused(found) and "image acme.calc-1" in refused(found)
    ensure_gradeable(Instance.from_row(row | {"test_cmd": "pytest -rA tests", "log_parser": "pytest"}))
    assert "task in go" in refused(Instance.from_row(row | {"repo_language": "go"}))


def test_swe_rebench_says_how_its_environment_is_made_in_both_of_its_versions():
    first = COMMON | LISTS | {
        "install_config": {
            "python": "3.9", "install": "pip install -e .[dev]", "pip_packages": ["pytest"],
            "packages": "requirements.txt", "pre_install": ["apt-get install -y x"],
            "test_cmd": "pytest --no-header -rA", "log_parser": "parse_log_pytest",
        },
        "requirements": "attrs==23.1.0\n",
        "image_name": "acme/calc:1",
        "version": "1.2",
    }  # fmt: skip
    found = Instance.from_row(first)
    assert found.task.test_cmd == "pytest --no-header -rA" and found.log_parser == "parse_log_pytest"
    recipe = found.task.recipe
    assert (recipe.python, recipe.install, recipe.packages) == (
        "3.9",
        ("pip install -e .[dev]",),
        ("pytest",),
    )
    assert recipe.requirements == "attrs==23.1.0\n" and recipe.test_files and found.image == "acme/calc:1"
    ensure_gradeable(found)
    assert Instance.from_row(first | {"install_config": json.dumps(first["install_config"])}) == found
    second = COMMON | LISTS | {
        "created_at": 1609298073000,
        "install_config": {"base_image_name": "python:3.11", "install": ["pip install -e ."],
                           "test_cmd": ["pytest -rA"], "log_parser": "parse_log_pytest"},
        "language": "python",
    }  # fmt: skip
    recipe = Instance.from_row(second).task.recipe
    assert (recipe.python, recipe.test_files) == ("3.11", False)
    assert Instance.from_row(second).task.test_cmd == "pytest -rA"
    assert "task in c:" in refused(Instance.from_row(second | {"language": "c"}))
    several = second | {"install_config": {"test_cmd": ["make", "pytest"], "log_parser": "parse_log_pytest"}}
    assert Instance.from_row(several).task.test_cmd is None


def test_swe_smith_puts_the_fault_in_by_its_patch():
    row = {
        "instance_id": "acme__calc.1fd52536.combine_file__0fceycuu",
        "repo": "swesmith/acme__calc.1fd52536",
        "patch": "the fault",
        "problem_statement": "add() subtracts",
        "image_name": "jyangballin/swesmith.x86_64.acme_1776_calc.1fd52536",
        **LISTS,
    }
    found = Instance.from_row(row)
    assert (found.planted, found.patch, found.task.base_commit) == ("the fault", "", "1fd52536")
    assert "swesmith.x86_64" in refused(found)


def test_swe_gym_has_lists_and_no_commit_to_set_up():
    found = Instance.from_row(COMMON | LISTS | {"version": "4.1", "hints_text": "", "created_at": "2023"})
    assert found.fail_to_pass == ("tests/t.py::a",) and found.task.setup_commit == SHA
    ensure_gradeable(found)  # whether the official package knows the version is told by the test bed


def test_multi_swe_bench_is_a_pull_request():
    change = {"run": "NONE", "test": "FAIL", "fix": "PASS"}
    row = {
        "org": "acme", "repo": "calc", "number": 7, "title": "Fix add", "body": "", "lang": "python",
        "base": {"label": "acme:main", "ref": "main", "sha": SHA},
        "resolved_issues": [{"number": 5, "title": "add() subtracts", "body": "1 + 2 is -1"}],
        "fix_patch": "p", "test_patch": "t",
        "f2p_tests": {"tests/t.py::a": change, "of another row": None},
        "n2p_tests": {"tests/t.py::new": change},
        "s2p_tests": {}, "p2p_tests": {"tests/t.py::b": change}, "fixed_tests": {"tests/t.py::a": change},
    }  # fmt: skip
    found = Instance.from_row(row)
    assert (found.instance_id, found.repo, found.task.base_commit) == ("acme__calc-7", "acme/calc", SHA)
    assert found.task.problem_statement == "add() subtracts\n\n1 + 2 is -1" and found.patch == "p"
    assert found.fail_to_pass == ("tests/t.py::a", "tests/t.py::new")
    assert found.pass_to_pass == ("tests/t.py::b",)
    assert "no version" in refused(found) and "task in rust" in refused(
        Instance.from_row(row | {"lang": "rust"})
    )


def test_swe_bench_live_has_its_commands_in_a_list():
    row = COMMON | LISTS | {"test_cmds": ["pytest -rA"], "log_parser": "pytest", "docker_image": "x/y"}
    found = Instance.from_row(row)
    assert found.task.test_cmd == "pytest -rA"
    ensure_gradeable(found)
    several = Instance.from_row(row | {"test_cmds": ["make build", "pytest -rA"]})
    assert several.task.test_cmd is None and "image x/y" in refused(several)
    assert "log_parser" in refused(Instance.from_row(row | {"log_parser": "def parse(log): ..."}))


@pytest.mark.parametrize("text", ["[1, 2]", "__import__('os')", "[" * 10_000, "['a'", "{'a': 1}"])
def test_a_list_that_is_no_list_of_texts_is_refused_in_a_line(text):
    with pytest.raises(InvalidTask, match="fail_to_pass") as raised:
        Instance.from_row(COMMON | {"fail_to_pass": text})
    assert len(str(raised.value)) < 200


def test_one_bad_row_fails_alone_when_it_is_asked_for(tmp_path, caplog):
    good, empty = COMMON | LISTS, COMMON | {"instance_id": "acme__calc-2", "problem_statement": ""}
    nameless = {"repo": "a/b"}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (good, empty, nameless)))
    found = load_instances(str(path))
    assert list(found.instances) == ["acme__calc-1"] == [found.get("acme__calc-1").instance_id]
    with pytest.raises(InvalidTask, match=r"line 2.*problem statement is empty"):
        found.get("acme__calc-2")
    assert "2 rows" in caplog.text and "line 2" in caplog.text
    alone = tmp_path / "alone.jsonl"
    alone.write_text(json.dumps(good))
    assert load_instances(str(alone)).fingerprint == found.fingerprint
