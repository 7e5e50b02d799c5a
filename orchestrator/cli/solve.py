"""`orchestrate solve`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.run_options import run_config, run_options

if TYPE_CHECKING:
    from orchestrator.records import Result


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
    result = _solve(instance_id, flags)
    from orchestrator.cli.output import print_json, print_result

    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_result(result)
    return 0 if result.patch else 1


def _solve(instance_id: str | None, flags: dict[str, Any]) -> "Result":
    import asyncio

    from orchestrator.batch.folders import default_folder
    from orchestrator.cli.view import view_for
    from orchestrator.records import Graded
    from orchestrator.session import Session
    from orchestrator.task.artifacts import Artifacts
    from orchestrator.task.jobs import instance_job, local_job
    from swebench.data.loading import load_instances
    from swebench.grading.verdicts import grade
    from vectors.models.checkpoints import garbage_kept

    settings = options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    options.check_model(settings)
    config = run_config(flags)
    with view_for(sys.stderr.isatty()) as view:
        progress = view.progress
        with Session(settings, progress=progress) as session:
            if instance_id is None:
                job = local_job(config, flags["repo"], flags["problem"], flags["commit"])
            else:
                job = instance_job(session, config, flags["dataset"], instance_id, to_grade=flags["grade"])
            # Wrong input has been told by now: what follows takes seconds, the model beside the imports.
            session.open_ahead()
            with garbage_kept():
                from orchestrator.task.solve import solve

            out = flags["out"] or settings.runs / default_folder(job.dataset, settings.model, config)
            result = asyncio.run(solve(job, session, config, out, fresh=flags["fresh"], emit=view.show))
    if flags["grade"] and instance_id and result.patch:
        instance = load_instances(flags["dataset"], cache=settings.cache, progress=progress).get(instance_id)
        verdict = grade(instance, job.repository.git, result.patch, test_bed=session.test_bed)
        graded = Graded(resolved=verdict.resolved, reason=verdict.reason, seconds=verdict.seconds)
        result = result.model_copy(update={"graded": graded})
        Artifacts(out, instance.instance_id).write_record("result.json", result)
    return result
