"""`orchestrate bench sae`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.lab.documents import check_corpus

if TYPE_CHECKING:
    from orchestrator.lab.sae_peer import SaeBench


@click.command(
    "sae",
    cls=Command,
    examples=(
        "orchestrate bench sae brown --install-peers",
        "orchestrate bench sae repositories --tokens 200000 --repeats 5 --json",
    ),
)
@click.argument("corpus", nargs=-1, required=True, metavar="FILE|FOLDER|NAME...")
@options.model
@click.option(
    "--tokens",
    type=click.IntRange(16384),
    default=65_536,
    show_default=True,
    help="Tokens that are collected and trained on in a repetition.",
)
@click.option(
    "--context", type=click.IntRange(2), default=256, show_default=True, help="Tokens that are read together."
)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Repetitions.")
@click.option(
    "--install-peers", is_flag=True, help="First install sae-lens in the cache, if it is not there."
)
@options.as_json
def command(
    corpus: tuple[str, ...],
    model: str | None,
    tokens: int,
    context: int,
    repeats: int,
    install_peers: bool,
    as_json: bool,
) -> None:
    """Time the training of a TopK autoencoder beside SAELens, collection included.

    k = 32, eight times the model's width. Both sides take turns on the same tokens of the middle block, in
    batches of 4,096 and in the same dtypes. A ratio above 1 means that ours is faster. Other work on the
    machine makes it less reliable.
    """
    check_corpus(corpus)
    settings = options.settings(model=model)
    options.check_model(settings)
    from orchestrator.cli.opening import opened_session
    from orchestrator.cli.output import print_json

    with opened_session(settings) as session:
        from orchestrator.lab.sae_peer import beside_sae_lens
        from vectors.bench.peer_saelens import install

        if install_peers:
            install(settings.cache, session.progress)
        found = beside_sae_lens(session, corpus, tokens=tokens, context=context, repeats=repeats)
    if as_json:
        print_json(found.model_dump())
    else:
        _print(found)


def _print(found: "SaeBench") -> None:
    from rich.table import Table

    from orchestrator.cli.output import console

    out = console()
    out.print(
        f"{found.model} ({found.dtype}), block {found.layer}: TopK, k = {found.k} of {found.d_sae}, "
        f"{found.tokens:,} tokens in contexts of {found.context}; load average {found.load_average}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("tokens per second", "ours", found.peer, "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for phase in ("collect", "train", "whole"):
        mine, its = (sorted(getattr(each, phase) for each in side) for side in (found.ours, found.theirs))
        middle = len(mine) // 2
        ratio = found.value if phase == "whole" else mine[middle] / its[middle]
        table.add_row(phase, f"{mine[middle]:,.0f}", f"{its[middle]:,.0f}", f"{ratio:.2f}")
    out.print(table)
    spread = f"{min(found.ratios):.2f}–{max(found.ratios):.2f}"
    out.print(f"median of {len(found.ratios)} ratios {found.value:.2f} ({spread}), target ≥ {found.target:g}")
