"""`orchestrate grade`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.grading.grade import GradeSummary


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
    backend: Literal["local", "docker"],
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
    from orchestrator.grading.grade import Grading, grade_predictions

    asked = Grading(dataset, file, options.ids(instances) if instances else None, backend, fresh)
    with opened_session(options.settings(repos=repos)) as session:
        found = grade_predictions(session, asked)
    if as_json:
        print_json(found.document())
    else:
        _print(found)
    return 0 if found.any_ran else 1


def _print(found: "GradeSummary") -> None:
    from orchestrator.cli.terminal import visible
    from vectors.statistics.estimates import rate

    for name, row in found.instances.items():
        state = "resolved" if row.resolved else "not resolved"
        counted = "" if row.certified else ", does not count"
        label = f" [{row.infrastructure}]" if row.infrastructure else ""
        click.echo(f"{visible(name)}: {state}{counted} ({row.seconds:.1f} s): {visible(row.reason)}{label}")
    line = f"n {found.n}, certified {found.certified}, resolved {found.resolved}"
    if found.certified:
        share = rate(found.resolved, found.certified)
        line += f": {share.value:.1%} of the certified, 95 % interval {share.low:.1%} to {share.high:.1%}"
    click.echo(line)
