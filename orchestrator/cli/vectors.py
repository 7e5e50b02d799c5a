"""`orchestrate vectors`: the laboratory's bench for domain vectors."""

import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import options

SHOWN_TOKENS = 10


@click.group("vectors")
def command() -> None:
    """Extract, list and look into domain vectors."""


def _bench(model: str | None, view: Any, folder: Path | None = None) -> Any:
    from orchestrator.workbench import Workbench

    return Workbench(options.settings(model=model), vectors=folder, progress=options.emit_progress(view.show))


@command.command()
@click.argument("domains", nargs=-1)
@options.model
@click.option(
    "--method", type=click.Choice(["mean_difference", "pca"]), default="mean_difference", show_default=True
)
@click.option(
    "--token",
    type=click.Choice(["last", "mean"]),
    default="last",
    show_default=True,
    help="Which residuals are read.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.  [default: the cache]",
)
@options.as_json
def extract(
    domains: tuple[str, ...], model: str | None, method: Any, token: Any, out: Path | None, as_json: bool
) -> None:
    """Extract the vectors of DOMAINS (all, if none is named) from a model."""
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from vectors.extraction import extract as extract_vector
    from vectors.prompt_sets import domain_names, load_prompt_set

    sets = [load_prompt_set(domain) for domain in domains or domain_names()]
    with view_for(sys.stderr.isatty(), nodes=()) as view, _bench(model, view, out) as bench:
        rows = []
        for prompt_set in sets:
            vector = extract_vector(
                bench.model, prompt_set, method=method, token=token, progress=options.emit_progress(view.show)
            )
            path = bench.vectors.save(vector, bench.model)
            rows.append(_summary(vector) | {"file": str(path)})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['domain']:22} layer {row['layer']:>2}, α {row['alpha']:.2f}  {row['file']}")


def _summary(vector: Any) -> dict[str, Any]:
    steering = vector.steering()
    return {
        "domain": vector.domain,
        "layer": steering.layer,
        "alpha": round(steering.alpha, 4),
        "relative_alpha": round(vector.relative_alpha(steering), 4),
        "sha256": vector.sha256,
    }


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """The vectors in the cache, of every model."""
    from orchestrator.cli.output import print_json
    from vectors.library import VectorLibrary

    rows = VectorLibrary(options.settings().cache / "vectors").list()
    if as_json:
        print_json([{"domain": row.domain, "model": row.model_id, "file": str(row.path)} for row in rows])
        return
    for row in rows:
        click.echo(f"{row.domain:22} {row.model_id:40} {row.path}")
    if not rows:
        click.echo("none yet: `orchestrate vectors extract` makes them, and so does the first solve")


@command.command()
@click.argument("vector", metavar="DOMAIN|FILE")
@options.model
@click.option(
    "--layer", type=click.IntRange(0), help="Layer for tokens and cosines.  [default: the domain's own]"
)
@options.as_json
def show(vector: str, model: str | None, layer: int | None, as_json: bool) -> None:
    """Norm per layer, tokens promoted and suppressed through the logit lens, cosine to the other domains."""
    from orchestrator.cli.output import print_json
    from orchestrator.cli.view import view_for
    from vectors.lens import cosines, logit_lens
    from vectors.prompt_sets import domain_names

    with view_for(sys.stderr.isatty(), nodes=()) as view, _bench(model, view) as bench:
        if vector.endswith(".safetensors"):
            shown = bench.vectors.load(Path(vector), bench.model)
        else:
            shown = bench.vectors.get(bench.model, vector, progress=options.emit_progress(view.show))
        at = shown.steering(layer=layer).layer
        others = [
            bench.vectors.get(bench.model, domain, progress=options.emit_progress(view.show))
            for domain in domain_names()
            if domain != shown.domain
        ]
        lens = logit_lens(bench.model, shown.directions[at], SHOWN_TOKENS)
        facts = _summary(shown) | {
            "shown_layer": at,
            "norms": [round(float(norm), 4) for norm in shown.norms()],
            "residual_norms": [round(float(norm), 4) for norm in shown.residual_norms],
            "promoted": lens.promoted,
            "suppressed": lens.suppressed,
            "cosine": cosines(shown, others, at),
        }
    (print_json if as_json else _print_facts)(facts)


def _print_facts(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    out = console()
    out.print(
        f"{facts['domain']}: default layer {facts['layer']}, α {facts['alpha']:.2f} "
        f"({facts['relative_alpha']:.0%} of the residual norm)\n"
    )
    table = Table("layer", "‖v‖", "residual", "‖v‖ / residual", box=None)
    for index, (norm, residual) in enumerate(zip(facts["norms"], facts["residual_norms"], strict=True)):
        mark = "  ← shown" if index == facts["shown_layer"] else ""
        table.add_row(str(index), f"{norm:.2f}", f"{residual:.2f}", f"{norm / residual:.3f}{mark}")
    out.print(table)
    for name in ("promoted", "suppressed"):
        out.print(
            f"\n{name} at layer {facts['shown_layer']}:  " + "  ".join(repr(token) for token in facts[name])
        )
    out.print("\ncosine to the other domains:")
    for domain, cosine in facts["cosine"].items():
        out.print(f"  {domain:22} {cosine:+.3f}")
