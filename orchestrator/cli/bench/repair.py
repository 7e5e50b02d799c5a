"""`orchestrate bench repair`."""

import sys
from typing import Any

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command


@click.command(
    "repair",
    cls=Command,
    examples=(
        "orchestrate bench repair",
        "orchestrate bench repair --dataset verified --repos mirrors --one-line",
    ),
)
@options.dataset
@options.repos
@options.model
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N instances.")
@click.option("--one-line", is_flag=True, help="Only patches that change one line for one.")
@options.as_json
def command(
    as_json: bool, dataset: str, repos: Any, model: str | None, limit: int | None, one_line: bool
) -> int:
    """Measure how far up the gold patch's edit stands among all that the catalogue proposes. No test is run.

    Instances whose repository or gold patch cannot be had are left out and listed; exit code 1 if none
    is left.
    """
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from orchestrator.session import Session
    from retrieval.errors import RetrievalError
    from swebench.data.loading import load_instances
    from swebench.errors import SwebenchError

    settings = options.settings(repos=repos, model=model)
    left_out: dict[str, str] = {}
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        progress = view.progress
        with Session(settings, progress=progress) as session:
            loaded = load_instances(dataset, cache=settings.cache, progress=progress)
            # These take seconds: wrong input has been told by now.
            from orchestrator.bench.repair import RankedGold, is_one_line, rank_gold, report
            from retrieval.search import Retriever

            found: list[RankedGold] = []
            retrievers: dict[str, Retriever] = {}
            asked = [each for each in loaded.instances.values() if not one_line or is_one_line(each.patch)]
            for done, instance in enumerate(asked[:limit]):
                progress("ranking edits", done, len(asked[:limit]))
                try:
                    if instance.repo not in retrievers:
                        retrievers[instance.repo] = session.retriever(session.store.open(instance.repo))
                    found.append(
                        rank_gold(retrievers[instance.repo], instance, session.model, session.engine)
                    )
                except (RetrievalError, SwebenchError) as error:
                    left_out[instance.instance_id] = str(error)
    if not found:
        for reason in sorted(set(left_out.values())):
            click.echo(f"error: {reason}", err=True)
        return 1
    document = {"dataset": dataset, "model": settings.model, **report(found), "left_out": left_out}
    (print_json if as_json else _print)(document)
    return 0


def _print(document: dict[str, Any]) -> None:
    from orchestrator.cli.output import console

    out, one_line = console(), document["one_line"]
    lines = {
        f"all instances, n = {document['n']}": None,
        "all gold files among the first ten": document["file_found"],
        "a place of the gold patch among the suspects": document["place_found"],
        **{f"first edit in a gold {name}": rate for name, rate in document["first_edit"].items()},
        f"patches of one line for one, n = {one_line['n']}": None,
        "gold edit proposed": one_line["gold_edit_proposed"],
        **{f"gold edit among the first {k}": rate for k, rate in one_line["gold_edit_at"].items()},
    }
    for name, rate in lines.items():
        if rate is None:
            out.print(name, style="bold", soft_wrap=True)
        elif rate["percent"] is not None:
            low, high = rate["ci95"]
            out.print(f"  {name}: {rate['percent']} % ({low:.0f}–{high:.0f})", soft_wrap=True)
    out.print(f"{document['seconds']} s a task (median)", soft_wrap=True)
    for name, reason in document["left_out"].items():
        out.print(f"left out: {name}: {reason}", style="yellow", soft_wrap=True)
