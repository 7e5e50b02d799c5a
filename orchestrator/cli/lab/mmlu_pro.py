"""`orchestrate lab mmlu-pro`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input
from orchestrator.lab.data import check_data_set

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from orchestrator.lab.mmlu_pro import MmluProResult, Scoring


@click.command(
    "mmlu-pro",
    cls=Command,
    examples=(
        "orchestrate lab mmlu-pro --per-domain 200 --vector math_reasoning --shares 0.05,0.1",
        "orchestrate lab mmlu-pro --scoring generation --domains math,physics --tokens 400",
    ),
)
@analysis.dataset("mmlu-pro", "question, options, answer_index, category")
@analysis.words("--domains", "", "Categories.  [default: all there are]")
@click.option(
    "--per-domain",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Questions of each, drawn by --seed; 200 for a claim.",
)
@click.option("--shots", type=click.IntRange(0, 5), default=0, show_default=True, help="Worked examples.")
@click.option(
    "--examples",
    metavar="FILE|NAME",
    default="mmlu-pro:validation",
    show_default=True,
    help="Where those are: the same columns and cot_content.",
)
@options.model
@options.vectors
@analysis.vector_names("math_reasoning")
@analysis.numbers("--layers", int, "Layers, from 0.  [default: each vector's own]")
@analysis.numbers("--shares", float, "α as shares of the residual's spread.  [default: each vector's dose]")
@click.option("--positions", default="all", show_default=True, help="Tokens that are steered.")
@click.option(
    "--scoring",
    type=click.Choice(["likelihood", "generation", "both"]),
    default="likelihood",
    show_default=True,
    help="Likelihoods of letters, or answers that think step by step.",
)
@click.option(
    "--rotations",
    type=click.IntRange(1, 10),
    default=1,
    show_default=True,
    metavar="K",
    help="Orders of the options, against a preference for letters; 10 are a whole cycle.",
)
@analysis.tokens(256)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    dataset: str,
    domains: tuple[str, ...],
    per_domain: int,
    shots: int,
    examples: str,
    model: str | None,
    vectors: Path | None,
    vector_names: tuple[str, ...],
    layers: tuple[int, ...],
    shares: tuple[float, ...],
    positions: str,
    scoring: "Scoring",
    rotations: int,
    tokens: int,
    seed: int,
) -> "MmluProResult":
    """Knowledge of 14 domains by multiple choice, steered and not.

    \b
    letter      right, by the likeliest letter; all are one place of one pass
    rotated     right, by the likeliest option over --rotations orders of the options
    written     right, by the letter that a written answer says; the filter is lm-eval's

    Steering of generated tokens alone cannot change a choice of one token, and is refused there. The
    likelihoods of all options are in the result. A model with a chat template is asked in turns, another in
    plain text. The work by likelihood is (1 + vectors × layers × strengths) × --rotations × 14 × --per-domain
    prompts: by default 560, a minute or two on a CPU.
    """
    check_input(model, *vector_names, vectors=vectors)
    check_data_set(dataset)
    from orchestrator.lab.knowledge import Asked
    from orchestrator.lab.mmlu_pro import check_positions, measure_mmlu_pro

    check_positions(positions, scoring)
    with analysis.opened(model, vectors) as session:
        return measure_mmlu_pro(
            session,
            Asked(dataset, domains, per_domain, seed, shots, examples),
            vectors=vector_names,
            layers=layers,
            shares=shares,
            positions=positions,
            scoring=scoring,
            rotations=rotations,
            tokens=tokens,
            journal=folder,
        )
