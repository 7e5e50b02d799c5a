"""Every command explains itself: sections, two examples that are real, and no waiting for it."""

import shlex
import subprocess
import sys

import click
import pytest

from orchestrator.cli import cli, main
from orchestrator.cli.help import OTHER, SECTIONS, Command

HEAVY = {
    "torch",
    "transformers",
    "langgraph",
    "scipy",
    "numpy",
    "datasets",
    "fastapi",
    "sqlalchemy",
    "matplotlib",
}


def commands(command=cli, path=()):
    """All commands and groups, with the names that lead to them."""
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                yield from commands(command.get_command(context, name), (*path, name))


ALL = dict(commands())


def printed(*arguments):
    """What a command prints in a process of its own, and which heavy modules it imported."""
    code = (
        f"import sys, orchestrator.cli as c\n"
        f"try: c.main({list(arguments)!r})\n"
        f"except SystemExit: pass\n"
        f"print(sorted({HEAVY | {'pydantic', 'rich'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, imported = done.stdout.splitlines()
    return "\n".join(lines), imported


def test_the_commands_of_services_are_among_them():
    assert {("serve",), ("keys", "create"), ("bench", "serve"), ("chat",), ("tasks", "show")} <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_ends_with_two_examples(capsys, path):
    with pytest.raises(SystemExit) as exit_:
        main([*path, "--help"])
    out = capsys.readouterr().out
    assert not exit_.value.code
    _, _, examples = out.partition("\nExamples:\n")
    assert len(examples.splitlines()) == 2
    assert all(line.startswith("  orchestrate ") for line in examples.splitlines())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_example_is_of_its_command_and_parses(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(ALL[path], Command)
    for example in ALL[path].examples:
        program, *words = shlex.split(example)
        assert program == "orchestrate"
        assert tuple(words[: len(path)]) == path
        parse(words, tmp_path)


def parse(words, folder):
    """Parse a command line as click does, to its last command. Files that an example names are made first."""
    command, context = cli, None
    arguments = list(words)
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        command = command.get_command(context, arguments.pop(0))
    for parameter in command.params:  # what must exist is not there in a test
        if isinstance(parameter.type, click.Path) and parameter.type.exists:
            parameter.type = click.Path(path_type=parameter.type.type)
    with command.make_context(words[-1], arguments, parent=context) as made:
        assert made.params is not None


def test_an_example_with_a_flag_that_is_none_would_be_noticed(tmp_path):
    with pytest.raises(click.UsageError, match="No such option"):
        parse(["solve", "x", "--no-such-flag"], tmp_path)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_options_stand_under_headings_and_none_is_left_out(capsys, path):
    with pytest.raises(SystemExit):
        main([*path, "--help"])
    out = capsys.readouterr().out
    assert f"\n{OTHER}:" not in out
    headings = [line[:-1] for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert [name for name in headings if name in SECTIONS] == [name for name in SECTIONS if name in headings]
    for option in ALL[path].params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.opts[-1] in out


def test_solve_has_the_sections_that_a_reader_looks_for(capsys):
    with pytest.raises(SystemExit):
        main(["solve", "--help"])
    out = capsys.readouterr().out
    order = ["Task:", "Model and steering:", "Search and repair:", "Running:", "Output:", "Examples:"]
    assert [line for line in out.splitlines() if line in order] == order


def test_no_section_names_a_flag_that_no_command_has():
    named = {flag for flags in SECTIONS.values() for flag in flags.split()}
    flags = {max(p.opts, key=len).removeprefix("--") for c in ALL.values() for p in c.params}
    assert named - flags == {"help"}


def test_the_first_help_imports_nothing_heavy_and_is_grouped_by_purpose():
    out, imported = printed("--help")
    assert imported == "[]"
    order = ["Try it:", "Solve:", "Measure:", "Laboratory:", "Serve:", "Output:", "Examples:"]
    assert [line for line in out.splitlines() if line in order] == order


@pytest.mark.parametrize("path", [("solve",), ("chat",), ("serve",), ("lab", "sweep"), ("bench", "engine")])
def test_no_help_imports_the_machinery(path):
    assert not any(name in printed(*path, "--help")[1] for name in HEAVY)


def test_without_arguments_the_help_is_shown(capsys):
    with pytest.raises(SystemExit):
        main([])
    shown = capsys.readouterr()
    assert "Laboratory:" in shown.out + shown.err


def test_the_version_says_what_it_runs_on_without_importing_it():
    out, imported = printed("--version")
    assert imported == "[]"
    assert out.startswith("orchestrate 0.")
    assert "Python 3." in out
    assert "torch 2." in out


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["slove"], "solve"),
        (["vectors", "extarct"], "extract"),
        (["keys", "craete"], "create"),
        (["solve", "--varaint", "static"], "--variant"),
        (["bench", "engine", "--repeat", "2"], "--repeats"),
    ],
)
def test_a_mistyped_command_or_flag_is_guessed(capsys, arguments, guess):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    _, _, suggested = capsys.readouterr().err.partition("id you mean")
    assert f"'{guess}'" in suggested


def levels(monkeypatch, *arguments):
    """The level that logs are set to by a command."""
    set_to = []
    monkeypatch.setattr("orchestrator.logs.configure", set_to.append)
    with pytest.raises(SystemExit):
        main(list(arguments))
    return set_to


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        (["tasks", "list"], "warning"),
        (["-v", "tasks", "list"], "info"),
        (["tasks", "list", "-v"], "info"),
        (["tasks", "list", "-vv"], "debug"),
        (["-v", "tasks", "-v", "list"], "debug"),
        (["-vvv", "tasks", "list"], "debug"),
    ],
    ids=str,
)
def test_v_logs_more_before_or_after_the_command(monkeypatch, tmp_path, capsys, arguments, level):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    assert levels(monkeypatch, *arguments, "--limit", "1") == [level]


def test_a_command_that_moved_says_where_it_is(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["vectors", "sweep", "code_reading"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == "Error: sweep moved: orchestrate lab sweep"


def test_v_says_where_a_repository_was_found_and_without_it_nothing_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    logged = {}
    for more in ([], ["-v"]):
        with pytest.raises(SystemExit):
            main(["retrieve", "harborlab__tidetable-23", *more])
        logged[len(more)] = capsys.readouterr().err
    assert "harborlab/tidetable is in " not in logged[0]
    assert "harborlab/tidetable is in " in logged[1]
