"""What a shell offers, asked as a shell asks: through the environment of a process of its own."""

import json
import os
import shutil
import subprocess
import sys

import pytest

PROGRAM = (
    "import sys\n"
    "sys.argv[0] = 'orchestrate'\n"
    "from orchestrator.cli import main\n"
    "try: main()\n"
    "finally:\n"
    "    heavy = {'torch', 'transformers', 'langgraph', 'datasets'} & set(sys.modules)\n"
    "    if heavy: print('imported', sorted(heavy))\n"
)


def asked(line, folder, shell="bash"):
    """The answer to a tab behind a command line, one offer a line."""
    words = line.split(" ")
    if shell == "fish":
        last = {"COMP_WORDS": line, "COMP_CWORD": words[-1]}
    else:
        last = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    environment = os.environ | last | {"_ORCHESTRATE_COMPLETE": f"{shell}_complete"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=folder)
    assert done.stderr == ""
    return done.stdout.splitlines()


def names(line, folder):
    return [answer.removeprefix("plain,") for answer in asked(line, folder) if answer]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("orchestrate so", ["solve"]),
        ("orchestrate vectors ex", ["extract", "export"]),
        ("orchestrate keys re", ["revoke"]),
        ("orchestrate solve harborlab__tidetable-2", ["harborlab__tidetable-23", "harborlab__tidetable-28"]),
        ("orchestrate tasks show brinewave__ledgerly-14", ["brinewave__ledgerly-14"]),
        ("orchestrate chat --domain bug", ["bug_analysis"]),
        ("orchestrate vectors calibrate django", ["django_web"]),
        ("orchestrate solve --model smol", ["smollm2-135m"]),
        ("orchestrate models pull qwen3-4b-", ["qwen3-4b-instruct"]),
        ("orchestrate evaluate --dataset ver", ["verified"]),
        ("orchestrate solve --variant st", ["static"]),
        ("orchestrate solve --few", ["--few-shot"]),
    ],
)
def test_a_shell_is_offered_what_may_stand_there(tmp_path, line, offered):
    assert names(line, tmp_path) == offered


def test_ids_are_those_of_the_file_that_was_named(tmp_path):
    row = {"repo": "a/b", "base_commit": "0" * 40, "problem_statement": "It fails."}
    rows = [json.dumps(row | {"instance_id": f"a__b-{number}"}) for number in (1, 2)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    assert names("orchestrate solve --dataset rows.jsonl ", tmp_path) == ["a__b-1", "a__b-2"]
    assert names("orchestrate solve --dataset verified ", tmp_path) == []


def test_a_damaged_file_offers_nothing_and_says_nothing(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{")
    assert names("orchestrate solve --dataset rows.jsonl a", tmp_path) == []


def test_where_a_file_may_stand_and_no_name_fits_the_shell_offers_its_files(tmp_path):
    assert asked("orchestrate solve --dataset rows", tmp_path) == ["file,rows"]


def test_zsh_and_fish_get_the_commands_with_their_help(tmp_path):
    assert asked("orchestrate so", tmp_path, "zsh")[:2] == ["plain", "solve"]
    assert asked("orchestrate so", tmp_path, "fish")[0].startswith("plain,solve\tSolve one task")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script_that_it_is_told_to_load(tmp_path):
    environment = os.environ | {"_ORCHESTRATE_COMPLETE": "bash_source"}
    script = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "orchestrate").write_text(f"#!{sys.executable}\n{PROGRAM}")
    (tmp_path / "orchestrate").chmod(0o755)
    asking = (
        f"{script}\nCOMP_WORDS=(orchestrate chat --domain patch); COMP_CWORD=3\n"
        "_orchestrate_completion orchestrate; echo ${COMPREPLY[@]}"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asking], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["patch_writing"]
