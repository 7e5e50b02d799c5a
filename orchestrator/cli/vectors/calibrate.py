"""`orchestrate vectors calibrate`."""

import re
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Command
from orchestrator.cli.keeping import keeping
from orchestrator.cli.opening import opened_session
from orchestrator.cli.vectors.common import check_input

if TYPE_CHECKING:
    from orchestrator.policy.decisions import Regime
    from vectors.steering.terms import Term

_METRICS = ("likelihood", "gold", "validity", "keywords", "degeneration")
_REGIMES = ("zero-shot", "few-shot", "rag")


def _layers(_context: click.Context, _option: click.Parameter, value: str | None) -> list[int] | None:
    """`10,13,16` or `10-16`."""
    if value is None:
        return None
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip()) for part in value.split(",")]
    if not all(parts):
        raise click.BadParameter(f"{value!r}: expected layers such as 10,13,16 or a range such as 10-16")
    found = [layer for part in parts if part for layer in range(int(part[1]), int(part[2] or part[1]) + 1)]
    if not found or len(set(found)) < len(found):
        raise click.BadParameter(f"{value!r}: expected different layers, a range from low to high")
    return found


def _shares(_context: click.Context, _option: click.Parameter, value: str) -> list[float]:
    """`0.05,0.1`."""
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if not found or len(set(found)) < len(found) or not all(0 < share <= 10 for share in found):
        raise click.BadParameter(f"{value!r}: expected different shares above 0, such as 0.05,0.1,0.2")
    return found


def _term(_context: click.Context, _option: click.Parameter, text: str) -> "Term":
    """A domain's name, or one term of a steering, whose strengths are those of the grid."""
    from vectors.steering.reading import terms_of
    from vectors.steering.terms import Strength, Term

    if re.fullmatch(r"[\w.-]+", text):
        return Term(text)
    terms = terms_of(text)
    if len(terms) != 1 or terms[0].strength != Strength() or terms[0].when:
        raise click.BadParameter(
            f"{text!r}: expected one vector without strength or condition, as ablate(bug_analysis)@10..16"
        )
    return terms[0]


@click.command(
    "calibrate",
    cls=Command,
    examples=(
        "orchestrate vectors calibrate bug_analysis",
        "orchestrate vectors calibrate 'code_reading@10..16[generated]' --regime rag --shares 0.1,0.2",
    ),
)
@click.argument("term", metavar="DOMAIN|TERM", callback=_term, shell_complete=completion.domains)
@options.model
@click.option(
    "--regime",
    "regimes",
    type=click.Choice(_REGIMES),
    multiple=True,
    default=("zero-shot",),
    show_default=True,
    help="What the prompts hold; may be given several times.",
)
@click.option("--metric", type=click.Choice(_METRICS), default="likelihood", show_default=True)
@click.option(
    "--layers", callback=_layers, help="10,13,16 or 10-16.  [default: the domain's, a third lower, higher]"
)
@click.option(
    "--shares",
    callback=_shares,
    default="0.05,0.1,0.2",
    show_default=True,
    help="Strengths, as shares of the residual's spread.",
)
@click.option(
    "--n",
    type=click.IntRange(8),
    default=200,
    show_default=True,
    help="Most observations to certify on; nothing is certified from fewer than 200.",
)
@options.dataset
@options.repos
@click.option("--vectors", type=options.FOLDER, help="Folder of vector files to use instead of the cache.")
@click.option("--texts", type=options.FILE, help="Held-out texts of your own: a JSON list.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True)
@click.option(
    "--shuffled-labels",
    "runs",
    type=click.IntRange(1),
    metavar="RUNS",
    help="Instead measure how often vectors from shuffled labels are certified; on short prompts.",
)
@options.as_json
def command(
    term: "Term", regimes: "tuple[Regime, ...]", runs: int | None, as_json: bool, **flags: Any
) -> None:
    """Find where and how strongly DOMAIN's vector helps, and certify it on texts held out from the search.

    A TERM says what is done along the vector and to which tokens, `ablate(bug_analysis)@10..16[generated]`
    (docs/steering.md); otherwise it is added at all of them.

    A domain without a node is measured in front of open requests, zero-shot, by likelihood, keywords or
    degeneration. The certificates are kept beside the vector, also those that say that nothing helps.
    `solve --variant certified` goes by them.
    """
    check_input(flags["model"], term.vector, vectors=flags["vectors"])
    from orchestrator.cli.output import print_json
    from orchestrator.cli.vectors.calibrated import print_calibration

    settings = options.settings(model=flags["model"], repos=flags["repos"], vectors=flags["vectors"])
    with keeping(settings.cache) as journal:
        with opened_session(settings) as opened:
            from orchestrator.calibration.calibrating import Asked, calibrated
            from vectors.calibration.calibrator import Manner

            asked = [
                Asked(
                    term.vector,
                    regime,
                    metric=flags["metric"],
                    shares=flags["shares"],
                    layers=flags["layers"] or [layer for span in term.layers for layer, _ in span.weights()],
                    manner=Manner(term.operation, term.positions),
                    n=flags["n"],
                    dataset=flags["dataset"],
                    texts=flags["texts"],
                    seed=flags["seed"],
                    shuffled_runs=runs,
                )
                for regime in dict.fromkeys(regimes)
            ]
            found = [calibrated(opened, each, journal) for each in asked]
        if as_json:
            print_json([each.document() for each in found])
            return
        for each in found:
            print_calibration(each)
