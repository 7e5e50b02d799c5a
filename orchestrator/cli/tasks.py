"""`orchestrate tasks`: which tasks there are, and what one asks for."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Group

if TYPE_CHECKING:
    from orchestrator.task.listing import Shown

_ALL_COLUMNS = 100


@click.group(
    "tasks",
    cls=Group,
    examples=(
        "orchestrate tasks list",
        "orchestrate tasks show harborlab__tidetable-23",
    ),
)
def command() -> None:
    """List the tasks of a data set, and show what one asks for."""


@command.command(
    "list",
    examples=(
        "orchestrate tasks list",
        "orchestrate tasks list --dataset verified --limit 20",
    ),
)
@options.dataset
@options.repos
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N tasks.")
@options.as_json
def list_(dataset: str, repos: Path | None, limit: int | None, as_json: bool) -> None:
    """The tasks of a data set: id, repository and title, which is the first line of the issue."""
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import visible
    from orchestrator.task.listing import list_tasks

    tasks = list_tasks(options.settings(repos=repos), dataset, limit)
    if as_json:
        print_json([asdict(task) for task in tasks])
        return
    ids, names = (max(map(len, each)) for each in zip(*((t.instance_id, t.repo) for t in tasks), strict=True))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for task in tasks:
        # Where there is little room, the id says the repository well enough.
        repo = f"  {task.repo:{names}}" if width is None or width >= _ALL_COLUMNS else ""
        line = visible(f"{task.instance_id:{ids}}{repo}  {task.title}")
        click.echo(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
    if absent := sorted({task.repo for task in tasks if not task.here}):
        click.echo(f"not on this machine, cloned on first use: {visible(', '.join(absent))}", err=True)


@command.command(
    examples=(
        "orchestrate tasks show harborlab__tidetable-23",
        "orchestrate tasks show django__django-11790 --dataset verified --json",
    ),
)
@click.argument("instance_id", metavar="ID", shell_complete=completion.instances)
@options.dataset
@options.repos
@options.as_json
def show(instance_id: str, dataset: str, repos: Path | None, as_json: bool) -> None:
    """One task: its issue, its repository and base commit, and whether it can be graded on this machine.

    The gold patch and the hidden tests are never shown.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.task.listing import show_task

    shown = show_task(options.settings(repos=repos), dataset, instance_id)
    if as_json:
        print_json(_document(shown))
    else:
        _print(shown)


def _document(shown: "Shown") -> dict[str, object]:
    task = shown.task
    return {
        "instance_id": task.instance_id,
        "title": shown.title,
        "dataset": shown.dataset,
        "repo": task.repo,
        "base_commit": task.base_commit,
        "version": task.version,
        "repository": str(shown.repository) if shown.repository else None,
        "issue": task.problem_statement,
        "grading": {
            "here": not shown.not_gradeable,
            "reason": shown.not_gradeable,
            "test_cmd": task.test_cmd,
            "fail_to_pass": shown.fail_to_pass,
            "pass_to_pass": shown.pass_to_pass,
        },
    }


def _print(shown: "Shown") -> None:
    from rich.text import Text

    from orchestrator.cli.output import console
    from orchestrator.cli.terminal import visible

    task, out = shown.task, console()
    where = f"in {shown.repository}" if shown.repository else "not on this machine, cloned on first use"
    how = f"with {task.test_cmd}" if task.test_cmd else f"in an environment of version {task.version}"
    grading = f"no: {shown.not_gradeable}"
    if not shown.not_gradeable:
        counts = f"{shown.fail_to_pass} hidden tests to make pass, {shown.pass_to_pass} to keep passing"
        grading = f"here, {how}: {counts}"
    facts = {
        "task": f"{task.instance_id} of {shown.dataset}",
        "repository": f"{task.repo} at {task.base_commit[:12]}, {where}",
        "graded": grading,
    }
    for name, fact in facts.items():
        out.print(Text.assemble((f"{name:11}", "dim"), visible(fact)), soft_wrap=True)
    out.print(f"\n{visible(task.problem_statement.strip())}", soft_wrap=True)
