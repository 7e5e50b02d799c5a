"""`orchestrate solve`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import completion, interruption, options
from orchestrator.cli.help import Command
from orchestrator.cli.run_options import run_config, run_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.records import Result
    from orchestrator.task.jobs import Job


SHOWN_FILES = 3


@click.command(
    "solve",
    cls=Command,
    examples=(
        "orchestrate solve harborlab__tidetable-23 --run-tests --grade",
        "orchestrate solve --repo . --problem issue.md --no-rag",
    ),
)
@click.argument("instance_id", metavar="ID", shell_complete=completion.instances, required=False)
@options.dataset
@options.model
@run_options()
@options.repos
@options.vectors
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the run.  [default: runs/…]"
)
@click.option("--grade", is_flag=True, help="Afterwards run the task's own (hidden) tests on the patch.")
@click.option("--repo", type=options.FOLDER, help="A repository of your own; needs --problem.")
@click.option("--problem", type=options.FILE, help="The problem statement for --repo, a UTF-8 text file.")
@click.option("--commit", default="HEAD", show_default=True, help="Base commit for --repo.")
@click.option(
    "--subdir",
    metavar="DIR",
    default="",
    help="The part of --repo to work on, which has its own tests.",
)
@click.option("--test-command", metavar="CMD", help="How --repo is tested.  [default: what its files say]")
@click.option(
    "--python",
    metavar="P",
    help="The Python of these tests: a version, a path or a name.  [default: the environment's]",
)
@click.option(
    "--environment",
    metavar="DIR|create",
    help="Where these tests run; create makes one from the project's files, once.  "
    "[default: the active one, .venv, or the Python on the path]",
)
@click.option("--apply", is_flag=True, help="Apply the patch to the working tree of --repo.")
@click.option("--branch", metavar="NAME", help="Commit the patch to a new branch of --repo, as you.")
@click.option(
    "--format",
    type=click.Choice(["patch", "mbox", "json"]),
    help="Print the patch alone, a mail that git am takes, or what --json prints.",
)
@click.option("--fresh", is_flag=True, help="Start over instead of going on with a killed run.")
@options.as_json
def command(instance_id: str | None, as_json: bool, **flags: Any) -> int:
    """Solve one task: the instance ID of a data set, or --problem FILE on --repo DIR.

    A run that was interrupted or killed goes on where it was when the same command is given again.
    """
    _refuse_wrong_use(instance_id, as_json, flags)
    from orchestrator.cli.view import view_for
    from orchestrator.session import Session
    from orchestrator.task.delivery import Delivery, check_ahead, deliver
    from orchestrator.task.jobs import OwnProblem
    from orchestrator.task.own_code import HowTested
    from orchestrator.task.single import Named, job_of, solve_one, unseen_files

    asked: Named | OwnProblem
    if instance_id is not None:
        asked = Named(flags["dataset"], instance_id, flags["grade"])
    else:
        testing = HowTested(flags["test_command"], flags["python"], flags["environment"], flags["fresh"])
        asked = OwnProblem(flags["repo"], flags["problem"], flags["commit"], flags["subdir"], testing)
    form = "json" if as_json else flags["format"]
    delivery = Delivery(flags["apply"], flags["branch"], mail=form == "mbox")
    settings = options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    options.check_model(settings)
    config = run_config(flags)
    interruption.says(interruption.going_on(fresh=flags["fresh"]))
    unseen = unseen_files(asked)
    if unseen:
        click.echo(_unseen(unseen, flags["commit"]), err=True)
    with view_for(sys.stderr.isatty()) as view, Session(settings, progress=view.progress) as session:
        job = job_of(session, config, asked)
        check_ahead(job, delivery)
        result = solve_one(
            session, config, job, asked, flags["out"], unseen, fresh=flags["fresh"], emit=view.show
        )
    _print(form, job, result)
    for line in deliver(job, delivery, result) if result.patch else ():
        click.echo(line, err=True)
    return 0 if result.patch else 1


def _unseen(files: "Sequence[str]", commit: str) -> str:
    from orchestrator.cli.terminal import visible

    named = ", ".join(files[:SHOWN_FILES]) + (", …" if len(files) > SHOWN_FILES else "")
    counted = "1 file has changes" if len(files) == 1 else f"{len(files)} files have changes"
    return visible(f"{counted} that are not committed ({named}): not seen here, this works on {commit}")


def _refuse_wrong_use(instance_id: str | None, as_json: bool, flags: dict[str, Any]) -> None:
    """Raise UsageError for flags that do not go together."""
    local = flags["repo"] is not None or flags["problem"] is not None
    of_tests = {"--test-command": "test_command", "--python": "python", "--environment": "environment"}
    of_own = {"--subdir": "subdir", "--apply": "apply", "--branch": "branch"}
    wrong = {
        "name an instance ID, or give --repo DIR with --problem FILE": local == (instance_id is not None),
        "--repo and --problem belong together": local and not (flags["repo"] and flags["problem"]),
        "--grade needs an instance of a data set: a problem of your own has no hidden tests": (
            local and flags["grade"]
        ),
        "--json is --format json: give one of them": as_json and flags["format"] not in (None, "json"),
        **{
            f"{flag} is about the tests of --repo: give it with --repo and --run-tests": (
                flags[name] is not None and not (local and flags["run_tests"])
            )
            for flag, name in of_tests.items()
        },
        **{f"{flag} goes with --repo": bool(flags[name]) and not local for flag, name in of_own.items()},
    }
    for sentence, is_wrong in wrong.items():
        if is_wrong:
            raise click.UsageError(sentence)


def _print(form: str | None, job: "Job", result: "Result") -> None:
    from orchestrator.cli.output import NO_CANDIDATE, print_json, print_result
    from orchestrator.cli.terminal import visible
    from orchestrator.task.delivery import mail

    if form == "json":
        print_json(result.model_dump(mode="json"))
    elif form is None:
        print_result(result)
    elif result.patch:
        click.echo(mail(job, result.patch) if form == "mbox" else result.patch.encode(), nl=False)
    else:
        click.echo(visible(result.reason) or NO_CANDIDATE, err=True)
