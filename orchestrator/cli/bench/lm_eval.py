"""`orchestrate bench lm-eval`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session

if TYPE_CHECKING:
    from orchestrator.lab.lm_eval_peers import HarnessBench


@click.command(
    "lm-eval",
    cls=Command,
    examples=(
        "orchestrate bench lm-eval gsm8k_cot_zeroshot --steer bug_analysis --steer code_reading --limit 20",
        "orchestrate bench lm-eval mine --include tasks --batch 16 --json",
    ),
)
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@options.model
@click.option("--steer", "steers", multiple=True, metavar="TEXT", help="A steering; may be repeated.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N items of each task.")
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="lm-eval's own batch size."
)
@click.option("--include", type=options.FOLDER, help="Folder with task files of your own.")
@options.as_json
def command(
    tasks: tuple[str, ...],
    model: str | None,
    steers: tuple[str, ...],
    limit: int | None,
    batch: int,
    include: Path | None,
    as_json: bool,
) -> None:
    """Time tasks of lm-evaluation-harness on the engine beside lm-eval's models `hf` and `steered`.

    Ours answers unsteered and under every --steer at once, theirs under one after the other; both in the same
    run and dtype, float32 unless set. What both say is compared item by item. Needs the extra `lab`.
    """
    from orchestrator.batch.folders import exactness
    from orchestrator.cli.output import print_json

    settings, _ = exactness(options.settings(model=model))
    with opened_session(settings) as session:
        from orchestrator.lab.lm_eval_peers import beside_lm_eval

        found = beside_lm_eval(session, tasks, steers, limit=limit, batch=batch, include=include)
    if as_json:
        print_json(found.model_dump())
    else:
        _print(found)


def _print(found: "HarnessBench") -> None:
    from orchestrator.cli.output import console

    out = console()
    out.print(f"{found.model} ({found.dtype}), lm-eval's batch {found.batch}")
    for row in found.rows:
        out.print(
            f"{row.task}: {row.items} items under {row.steerings} steerings: {row.ours_s:.1f} s, "
            f"lm-eval {row.theirs_s:.1f} s: {row.ratio:.2f} times as fast "
            f"(by the processor's seconds {row.cpu_ratio:.2f})"
        )
    for each in found.agreement:
        apart = ", ".join(f"{item} ({value:g})" for item, value in each.apart.items())
        others = f"; apart: {apart}" if apart else ""
        out.print(f"{each.task}, {each.steering}: {each.equal} of {each.n} equal{others}")
