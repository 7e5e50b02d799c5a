"""`orchestrate lab gsm8k`."""

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
    from orchestrator.lab.gsm8k import Gsm8kResult


@click.command(
    "gsm8k",
    cls=Command,
    examples=(
        "orchestrate lab gsm8k --limit 20 --styles cot,few-shot-3",
        "orchestrate lab gsm8k --dataset gsm8k_test.jsonl --vector math_reasoning --shares 0.05,0.1",
    ),
)
@analysis.dataset("gsm8k", "question and answer, which ends with #### and the number")
@click.option(
    "--limit",
    type=click.IntRange(2),
    default=200,
    show_default=True,
    metavar="N",
    help="Problems, drawn with --seed.",
)
@click.option(
    "--examples",
    metavar="FILE|NAME",
    help="Worked examples for few-shot prompts, such as gsm8k:train.  [default: five of our own]",
)
@options.model
@options.vectors
@analysis.vector_names("math_reasoning", "code_reading")
@analysis.numbers("--layers", int, "Layers, from 0.  [default: each vector's own]")
@analysis.numbers("--shares", float, "α as shares of the residual's spread.  [default: each vector's dose]")
@analysis.words("--styles", "zero-shot,cot,few-shot-3,few-shot-5", "Prompts.")
@analysis.tokens(256)
@analysis.seed
@click.option("--as-original", is_flag=True, help="The original's three prompts too.")
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    dataset: str,
    limit: int,
    examples: str | None,
    model: str | None,
    vectors: Path | None,
    vector_names: tuple[str, ...],
    layers: tuple[int, ...],
    shares: tuple[float, ...],
    styles: tuple[str, ...],
    tokens: int,
    seed: int,
    as_original: bool,
) -> "Gsm8kResult":
    """Grade-school mathematics: zero-shot, chain of thought and few-shot, steered and not.

    \b
    strict      solved, by the answer in the form that was asked for
    flexible    solved, by the last number; both filters are lm-eval's
    original    solved, by the rule of the research this began with, whole numbers only

    By default math_reasoning steers, and code_reading, which the variant static steers every prompt with;
    each at its own layer and strength. Examples interfere where steering does less beside
    them than without: the difference of differences on the same problems.

    A model with a chat template is asked in turns, another in plain text. The work is styles × (1 + vectors ×
    layers × strengths) × --limit answers: by default 2,400, half an hour on a CPU.
    """
    check_input(model, *vector_names, vectors=vectors)
    check_data_set(dataset)
    from orchestrator.lab.gsm8k import check_styles, measure_gsm8k

    check_styles(styles)
    with analysis.opened(model, vectors) as session:
        return measure_gsm8k(
            session,
            dataset=dataset,
            vectors=vector_names,
            styles=styles,
            layers=layers,
            shares=shares,
            examples=examples,
            limit=limit,
            tokens=tokens,
            seed=seed,
            as_original=as_original,
            journal=folder,
        )
