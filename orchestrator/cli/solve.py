"""`orchestrate solve`."""

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.run_options import run_config, run_options


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
@click.option("--fresh", is_flag=True, help="Start over instead of going on with a killed run.")
@options.as_json
def command(instance_id: str | None, as_json: bool, **flags: Any) -> int:
    """Solve one task: the instance ID of a data set, or --problem FILE on --repo DIR.

    A run that was interrupted or killed goes on where it was when the same command is given again.
    """
    local = flags["repo"] is not None or flags["problem"] is not None
    if local == (instance_id is not None):
        raise click.UsageError("name an instance ID, or give --repo DIR with --problem FILE")
    if local and not (flags["repo"] and flags["problem"]):
        raise click.UsageError("--repo and --problem belong together")
    if local and flags["grade"]:
        raise click.UsageError(
            "--grade needs an instance of a data set: a problem of your own has no hidden tests"
        )
    from orchestrator.cli.output import print_json, print_result
    from orchestrator.cli.view import view_for
    from orchestrator.session import Session
    from orchestrator.task.single import Named, OwnProblem, solve_one

    asked: Named | OwnProblem = OwnProblem(flags["repo"], flags["problem"], flags["commit"])
    if instance_id is not None:
        asked = Named(flags["dataset"], instance_id, flags["grade"])
    settings = options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    options.check_model(settings)
    config = run_config(flags)
    with view_for(sys.stderr.isatty()) as view, Session(settings, progress=view.progress) as session:
        result = solve_one(session, config, asked, flags["out"], fresh=flags["fresh"], emit=view.show)
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_result(result)
    return 0 if result.patch else 1
