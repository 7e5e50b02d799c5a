"""`orchestrate lab sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
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
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    vector_name: str,
    model: str | None,
    vectors: Path | None,
    texts: Path | None,
    layers: tuple[int, ...],
    shares: tuple[float, ...],
    alphas: tuple[float, ...],
    prompts: list[str],
    tokens: int,
) -> "SweepResult":
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
    with analysis.opened(model, vectors) as session:
        from orchestrator.lab.sweeping import sweep_vector

        return sweep_vector(
            session,
            vector_name,
            prompts,
            texts=texts,
            layers=layers,
            shares=shares,
            alphas=alphas,
            tokens=tokens,
            journal=folder,
        )
