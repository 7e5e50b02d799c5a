"""`orchestrate vectors import`."""

from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import FormatName, check_input


def _domain(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    from vectors.domains.prompt_sets import NAME

    if name is not None and not NAME.fullmatch(name):
        raise click.BadParameter("expected up to 64 letters, digits and . _ -, the first a letter or digit")
    return name


@click.command(
    "import",
    cls=Command,
    examples=(
        "orchestrate vectors import honesty.gguf --domain honesty",
        "orchestrate vectors import steered.pt --format lm-eval --domain honesty --out honesty.safetensors",
    ),
)
@click.argument("file", type=options.FILE)
@options.model
@click.option(
    "--format",
    "name",
    type=FormatName(),
    help="[default: found from the content; a file of repeng is read as gguf]",
)
@click.option(
    "--domain", callback=_domain, metavar="NAME", help="What the vector is of; only our own say it."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write FILE.safetensors.  [default: into the cache]",
)
@options.as_json
def command(
    file: Path, model: str | None, name: str | None, domain: str | None, out: Path | None, as_json: bool
) -> None:
    """Read another tool's FILE of steering vectors as a domain's vector for a model.

    Only additions to the output of decoder blocks can be read, and the file must fit the model: no format but
    our own says whose it is. Nothing in a file is run.
    """
    check_input(model)
    from orchestrator.cli.output import print_json
    from orchestrator.cli.terminal import visible
    from orchestrator.lab.exchange import import_from
    from vectors.formats.registry import OWN
    from vectors.formats.steering_files import detect

    name = name or detect(file)
    if domain is None and name != OWN:
        raise click.UsageError(f"a file of the format {name} does not say what it is of: add --domain NAME")
    if out and out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out.name}: a vector file ends in .safetensors")
    with opened_session(options.settings(model=model)) as session:
        imported = import_from(session, file, name, domain, out)
        n_layers = session.model.n_layers
    if as_json:
        print_json(imported.model_dump(mode="json"))
        return
    click.echo(
        f"{visible(imported.domain)}: a vector at {len(imported.layers)} of {n_layers} layers; default: "
        f"layer {imported.layer}, α {imported.alpha:.4g} ({imported.relative_alpha:.0%} of the spread)"
    )
    click.echo(f"vector: {imported.file}")
