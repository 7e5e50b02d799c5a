"""`orchestrate vectors export`."""

from pathlib import Path
from typing import Literal

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import FormatName, check_input
from vectors.operations import OPERATIONS

_Layers = tuple[int, ...] | Literal["all"]


def _layers(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> _Layers:
    if given == ("all",):
        return "all"
    try:
        return tuple(sorted({int(number) for number in given}))
    except ValueError:
        raise click.BadParameter(f"{' '.join(given)!r} is neither numbers of layers nor all") from None


@click.command(
    "export",
    cls=Command,
    examples=(
        "orchestrate vectors export bug_analysis --format gguf --layer all --out bug_analysis.gguf",
        "orchestrate vectors export bug_analysis --format lm-eval --alpha 40 --out bug_analysis.pt",
    ),
)
@click.argument("vector", metavar="DOMAIN|FILE", shell_complete=completion.vectors)
@options.model
@options.vectors
@click.option("--format", "name", type=FormatName(), required=True)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    callback=_layers,
    metavar="N|all",
    help="Block whose output is steered, from 0; may be repeated.  [default: the domain's own]",
)
@click.option("--alpha", type=float, help="Absolute, on the unit vector.  [default: the vector's own]")
@click.option(
    "--mode",
    type=click.Choice([*OPERATIONS]),
    default="add",
    show_default=True,
    help="None of our formats can say multiply; a plug-in's may.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="To write."
)
@options.as_json
def command(
    vector: str,
    model: str | None,
    vectors: Path | None,
    name: str,
    layers: _Layers,
    alpha: float | None,
    mode: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write a domain's vector, or one of FILE.safetensors, for another tool.

    \b
    gguf              llama.cpp's --control-vector (not block 0)
    lm-eval           the file of its model type `steered`, .pt
    repeng            ControlVector.import_gguf
    steering-vectors  the fields of its SteeringVector
    safetensors       the project's own: every layer, and --layer and --alpha as its defaults

    With strength (coefficient, multiplier) 1 the tool does what α does here. It adds the vectors of all
    layers in the file at once.
    """
    check_input(model, vector, vectors=vectors)
    from orchestrator.cli.output import print_json
    from orchestrator.lab.exchange import export_to

    with opened_session(options.settings(model=model, vectors=vectors)) as session:
        exported = export_to(session, vector, name, out, layers=layers, alpha=alpha, mode=mode)
    if as_json:
        print_json(exported.model_dump(mode="json"))
        return
    for row in exported.layers:
        share = f"{row.relative_alpha:.0%} of the residual's spread"
        click.echo(f"layer {row.layer:>2}, α {row.alpha:.4g} ({share})")
    if layers == "all" and name == "gguf":
        click.echo("block 0 is left out: no control vector of llama.cpp can hold it")
    click.echo(f"{name}: {out}")
