"""`orchestrate grade`."""

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command


@click.command(
    "grade",
    cls=Command,
    examples=(
        "orchestrate grade runs/mine/predictions.jsonl",
        "orchestrate grade --gold --instances harborlab__tidetable-23",
    ),
)
@click.argument("file", metavar="FILE", required=False, type=options.FILE)
@options.dataset
@options.repos
@click.option(
    "--backend",
    type=click.Choice(["local", "docker"]),
    default="local",
    show_default=True,
    help="Environments made here from the official specs, or the official harness in containers.",
)
@click.option("--gold", is_flag=True, help="Instead of FILE: prove which instances can be graded here.")
@click.option("--instances", metavar="IDS", help="Only these: ids with commas between, or a file of ids.")
@click.option("--fresh", is_flag=True, help="Make the certificates again.")
@options.as_json
def command(
    file: Path | None,
    dataset: str,
    repos: Path | None,
    backend: str,
    gold: bool,
    instances: str | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """Run the hidden tests on the patches of FILE, a predictions.jsonl.

    An instance counts only if it is certified: its gold patch resolves it on this machine, and an empty patch
    does not. Certificates are kept, so the next run of the command goes on where this one was.
    """
    if gold == (file is not None):
        raise click.UsageError("name a FILE of predictions, or give --gold")
    if gold and backend == "docker":
        raise click.UsageError("--gold certifies this machine's environments: use it with --backend local")
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from orchestrator.grading.grade import grade_all, grade_in_containers, summary
    from orchestrator.session import Session
    from swebench.data.loading import load_instances
    from swebench.data.predictions import read_predictions
    from swebench.grading.docker import ensure_engine

    settings = options.settings(repos=repos)
    if backend == "docker":
        ensure_engine()
    graded: dict[str, Any] = {}
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        progress = view.progress
        with Session(settings, progress=progress) as session:
            found = load_instances(dataset, cache=settings.cache, progress=progress)
            predictions = read_predictions(file) if file else None
            wanted = options.ids(instances) if instances else list(predictions or found.instances)
            chosen = [found.get(name) for name in wanted]
            if predictions is not None and (missing := [name for name in wanted if name not in predictions]):
                raise click.UsageError(f"{file} has no prediction for {', '.join(missing)[:300]}")
            if backend == "docker":
                outcomes = grade_in_containers(session, chosen, predictions or {})
            else:
                outcomes = grade_all(session, chosen, predictions, fresh=fresh)
            progress("instances", 0, len(chosen))
            for name, outcome in outcomes:
                graded[name] = outcome
                progress(f"{name}: {outcome.reason}", len(graded), len(graded))
    document = summary(graded)
    (print_json if as_json else _print)(document)
    return 1 if graded and all(outcome.certified is None for outcome in graded.values()) else 0


def _print(document: dict[str, Any]) -> None:
    from orchestrator.cli.terminal import visible
    from vectors.statistics.estimates import rate

    for name, row in document["instances"].items():
        state = "resolved" if row["resolved"] else "not resolved"
        counted = "" if row["certified"] else ", does not count"
        click.echo(f"{visible(name)}: {state}{counted} ({row['seconds']:.1f} s): {visible(row['reason'])}")
    resolved, certified = document["resolved"], document["certified"]
    line = f"n {document['n']}, certified {certified}, resolved {resolved}"
    if certified:
        share = rate(resolved, certified)
        line += f": {share.value:.1%} of the certified, 95 % interval {share.low:.1%} to {share.high:.1%}"
    click.echo(line)
