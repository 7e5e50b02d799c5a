"""`orchestrate vectors dose`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import check_input
from vectors.operations import DIRECTIONAL

if TYPE_CHECKING:
    from orchestrator.lab.dosing import DoseResult


@click.command(
    "dose",
    cls=Command,
    examples=(
        "orchestrate vectors dose bug_analysis",
        "orchestrate vectors dose bug_analysis --layer 12 --operation ablate --json",
    ),
)
@click.argument("vector", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option("--layer", type=click.IntRange(0), help="Block that is steered.  [default: the vector's own]")
@click.option("--operation", type=click.Choice(DIRECTIONAL), default="add", show_default=True)
@options.as_json
def command(
    vector: str, model: str | None, vectors: Path | None, layer: int | None, operation: str, as_json: bool
) -> None:
    """The largest α at which the model still reads plain text, and what was tried to find it.

    It is measured once, in seconds, and kept beside the vector.
    """
    check_input(model, vector, vectors=vectors)
    from orchestrator.cli.output import print_json
    from orchestrator.lab.dosing import dose_of

    with opened_session(options.settings(model=model, vectors=vectors)) as session:
        found = dose_of(session, vector, layer, operation)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


def _print(found: "DoseResult") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    out = console()
    where = f"{found.domain} at layer {found.layer} of {found.model} ({found.dtype}), {found.operation}"
    if found.alpha is None:
        out.print(f"{where}: no dose, since the model reads plain text no better than by chance")
        return
    table = Table("α", "of the spread", "perplexity", "95 % interval", "bits", "95 % interval", box=None)
    for each in found.tried:
        ratio, bits = each.perplexity_ratio, each.kl_bits
        mark = "  ← dose" if each.alpha == found.alpha else ""
        table.add_row(
            f"{each.alpha:.2f}", f"{each.relative_alpha:.1%}",
            f"{ratio[0]:.3f} ×", f"{ratio[1]:.3f} to {ratio[2]:.3f}",
            f"{bits[0]:.3f}", f"{bits[1]:.3f} to {bits[2]:.3f}{mark}",
        )  # fmt: skip
    out.print(table)
    out.print(
        f"\n{where}: α {found.alpha:.2f}. Within {found.most_perplexity_ratio:.2f} × the perplexity of "
        f"{found.perplexity:.1f} and {found.most_kl_bits:g} bits, n = {found.n} texts"
    )
