"""`orchestrate vectors show`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.lab.lenses import Portrait


@click.command(
    "show",
    cls=Command,
    examples=(
        "orchestrate vectors show bug_analysis",
        "orchestrate vectors show bug_analysis --layer 12 --json",
    ),
)
@click.argument("vector", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option(
    "--layer", type=click.IntRange(0), help="Layer for tokens and cosines.  [default: the domain's own]"
)
@options.as_json
def command(vector: str, model: str | None, vectors: Path | None, layer: int | None, as_json: bool) -> None:
    """Norm per layer, tokens promoted and suppressed through the logit lens, cosine to the other domains."""
    check_input(model, vector, vectors=vectors)
    from orchestrator.cli.output import print_json
    from orchestrator.lab.lenses import portrait

    with opened_session(options.settings(model=model, vectors=vectors)) as session:
        facts = portrait(session, vector, layer)
    if as_json:
        print_json(facts.model_dump(mode="json"))
    else:
        _print(facts)


def _print(facts: "Portrait") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    out = console()
    out.print(
        f"{facts.domain}: default layer {facts.layer}, α {facts.alpha:.2f} "
        f"({facts.relative_alpha:.0%} of the residual's spread)\n"
    )
    table = Table("layer", "‖v‖", "residual", "‖v‖ / residual", box=None)
    for index, (norm, residual) in enumerate(zip(facts.norms, facts.residual_norms, strict=True)):
        mark = "  ← shown" if index == facts.shown_layer else ""
        table.add_row(str(index), f"{norm:.2f}", f"{residual:.2f}", f"{norm / residual:.3f}{mark}")
    out.print(table)
    for name, tokens in (("promoted", facts.promoted), ("suppressed", facts.suppressed)):
        out.print(f"\n{name} at layer {facts.shown_layer}:  " + "  ".join(map(repr, tokens)))
    out.print("\ncosine to the other domains:")
    for domain, cosine in facts.cosine.items():
        out.print(f"  {domain:22} {cosine:+.3f}")
