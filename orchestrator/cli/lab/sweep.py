"""`orchestrate lab sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.sweeping import SweepResult


@click.command(
    "sweep",
    cls=Command,
    examples=(
        "orchestrate lab sweep code_reading --limit 4",
        "orchestrate lab sweep code_reading --layers 8,16,24 --shares 0.1,0.2 --figure sweep.png",
    ),
)
@click.argument("vector_name", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option("--texts", type=options.FILE, help="Held-out texts of your own: a JSON list.")
@analysis.numbers("--layers", int, "Layers, from 0.  [default: eight over the depth]")
@analysis.numbers(
    "--shares", float, "α as shares of the residual's spread at each layer.  [default: 0.05,0.1,0.2,0.4,0.8]"
)
@analysis.numbers("--alphas", float, "Absolute α, instead of --shares.")
@analysis.prompts(12, "Prompts, and pairs of texts.")
@analysis.tokens(16)
@analysis.figure
@options.as_json
def command(
    vector_name: str,
    model: str | None,
    vectors: Path | None,
    texts: Path | None,
    layers: tuple[int, ...],
    shares: tuple[float, ...],
    alphas: tuple[float, ...],
    prompts: list[str],
    tokens: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """What a vector does at every layer and α, and where its zones are.

    \b
    changed     share of prompts whose greedy output differs from the unsteered one
    KL          of the first new token, steered against unsteered, in bits
    text        log-likelihood of the domain's held-out texts minus that of neutral ones,
                in nats per token, as the change from the unsteered model
    degenerate  share of outputs that repeat themselves or are empty

    The work is layers × α × --limit outputs, and twice as many scored texts: by default 480 and 984,
    minutes on a CPU. Fewer --layers, fewer α or a lower --limit cost less.
    """
    if shares and alphas:
        raise click.UsageError("--shares and --alphas exclude each other")
    check_input(model, vector_name, vectors=vectors)
    with keeping(options.settings().cache) as journal:
        with analysis.opened(model, vectors) as session:
            from orchestrator.lab.sweeping import sweep_vector

            found = sweep_vector(
                session,
                vector_name,
                prompts,
                texts=texts,
                layers=layers,
                shares=shares,
                alphas=alphas,
                tokens=tokens,
                journal=journal,
            )
        analysis.finish(found, figure, as_json, _print)


def _print(found: "SweepResult") -> None:
    from vectors.lab.steering.sweep import ZONE_RULE

    shown, swept, zones = analysis.shown, found.swept, found.swept.zones()
    analysis.print_table(
        found.heading,
        ["layer", "α", "of norm", "changed", "KL, bits", "text, nats/token", "degenerate", "zone"],
        [
            [
                str(cell.layer),
                f"{cell.alpha:.1f}",
                f"{cell.share:.0%}",
                shown(cell.change_rate, ".0%"),
                shown(cell.kl_bits),
                shown(cell.task_nats, "+.2f") if cell.task_nats else "no texts",
                shown(cell.degenerate, ".0%"),
                cell.zone,
            ]
            for cell in swept.cells
        ],
        [
            f"unsteered: repeated, {shown(swept.repeat_change_rate, '.0%')} change; "
            f"{shown(swept.unsteered_degenerate, '.0%')} degenerate"
            + (f"; text {shown(swept.unsteered_task_nats, '+.2f')}" if swept.unsteered_task_nats else ""),
            *(
                f"{zone}: layers {', '.join(str(layer) for layer, of in zones.items() if of == zone)}"
                for zone in dict.fromkeys(zones.values())
            ),
            f"({ZONE_RULE})",
            analysis.evidence(
                swept.repeat_change_rate.n,
                *([swept.unsteered_task_nats.n] if swept.unsteered_task_nats else []),
            ),
        ],
    )
