"""`orchestrate lab budget`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import options
from orchestrator.cli.help import Command
from orchestrator.cli.lab import analysis
from orchestrator.cli.vectors.common import check_input
from orchestrator.lab.data import check_data_set

if TYPE_CHECKING:
    from orchestrator.lab.budget import BudgetResult
    from orchestrator.lab.folder import ExperimentFolder


@click.command(
    "budget",
    cls=Command,
    examples=(
        "orchestrate lab budget --limit 20 --learn 60",
        "orchestrate lab budget --dataset gsm8k_test.jsonl --budgets 48,96",
    ),
)
@options.model
@click.option(
    "--dataset", default="gsm8k", show_default=True, help="gsm8k, or a file with question and answer."
)
@analysis.numbers("--budgets", int, "Budgets, in tokens.  [default: 32,64,128]")
@click.option("--limit", type=click.IntRange(2), default=200, show_default=True, help="Problems to answer.")
@click.option(
    "--learn", type=click.IntRange(40), default=200, show_default=True, help="Others, to learn lengths from."
)
@analysis.tokens(256)
@analysis.seed
@analysis.experiment
def command(
    folder: "ExperimentFolder",
    model: str | None,
    dataset: str,
    budgets: tuple[int, ...],
    limit: int,
    learn: int,
    tokens: int,
    seed: int,
) -> "BudgetResult":
    """Answer within a budget of tokens, by guidance and by three plainer ways.

    \b
    guided  each next token weighed by the chance that the answer then ends in time
    cut     the answer stops where the budget is spent
    named   the prompt says the budget
    ramp    the original's bias on the token that ends an answer

    A small head that foresees lengths is fitted on the model's own answers and kept for it: from then on
    chats take a budget. By default 2,200 answers of at most --tokens: ten minutes or more on a CPU.
    """
    check_input(model)
    check_data_set(dataset)
    with analysis.opened(model) as session:
        from orchestrator.lab.budget import BUDGETS, measure_budgets

        return measure_budgets(
            session,
            dataset=dataset,
            budgets=budgets or BUDGETS,
            limit=limit,
            learn=learn,
            tokens=tokens,
            seed=seed,
            journal=folder,
        )
