"""A policy of another distribution, really installed, decides in `solve --variant NAME` and is named."""

import json
import sys

import pytest

from orchestrator.cli import main
from tests.orchestrator.cli.test_cli import run, solve_arguments
from tests.plugins import documented, install

GROUP = "orchestrate.policies"
FAULTY = '''


class Undecided:
    """Answers with what is no decision."""

    def decide(self, prompt):
        return "perhaps"


class Faulty:
    """Fails."""

    def decide(self, prompt):
        raise RuntimeError("no\\nidea")
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(
        tmp_path_factory.mktemp("plugins"),
        "reading-only",
        documented("Policies") + FAULTY,
        GROUP,
        reading="ReadingOnly",
        undecided="Undecided",
        faulty="Faulty",
        absent="Nothing",
    )


@pytest.fixture
def installed(site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("reading_only", None)


def test_a_plug_in_decides_and_the_manifest_names_it_with_its_version(
    installed, capsys, project, problem, tiny_model, tmp_path
):
    out = tmp_path / "out"
    arguments = solve_arguments(project, problem, tiny_model, out)
    _, printed, _ = run(capsys, *arguments, "--variant", "reading", "--edits", "0", "--retries", "0")
    steered = {node["name"]: node["steering"] for node in json.loads(printed)["nodes"]}
    assert {name: each["applied"] for name, each in steered.items()} == {
        "code_reading": True,
        "bug_analysis": True,
        "patch_writing": False,
    }
    assert {each["code"] for each in steered.values()} == {"own_rule"}
    assert steered["patch_writing"]["reason"] == "off: it writes"
    determinants = json.loads((out / "manifest.json").read_text())["determinants"]
    assert determinants["variant"] == "reading"
    assert determinants["plugins"] == {"orchestrate.policies: reading": "reading-only 1.0"}


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("absent", 2, "reading-only 1.0, cannot be loaded"),
        ("undecided", 1, "answered 'perhaps', expected a Decision"),
        ("faulty", 1, "failed: RuntimeError: no idea"),
        (
            "missing",
            2,
            "adaptive, baseline, static, dynamic, certified, absent, faulty, reading",
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_in_one_line(
    installed, capsys, project, problem, tiny_model, tmp_path, name, code, said
):
    arguments = solve_arguments(project, problem, tiny_model, tmp_path / "out")
    found, out, err = run(capsys, *arguments, "--variant", name)
    assert (found, out) == (code, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_variant_of_our_own_needs_no_look_for_plug_ins(capsys, monkeypatch):
    def look(**_):
        raise AssertionError("looked for plug-ins")

    monkeypatch.setattr("vectors.plugins.entry_points", look)
    with pytest.raises(SystemExit) as stopped:
        main(["solve", "--variant", "dynamic"])
    assert stopped.value.code == 2
    assert "name an instance ID" in capsys.readouterr().err
