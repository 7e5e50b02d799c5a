"""How the columns of an arena look: beside one another as they are written, then with the words that are not
the baseline's in colour; plain text, one after the other, where nobody sees colours."""

from rich.text import Text

from orchestrator.arena import ColumnShown, Shown
from orchestrator.cli.chat_view import SideBySide
from orchestrator.cli.terminal import visible


class ArenaView(SideBySide):
    """The columns on a terminal; `finish_columns` prints them once more to stay."""

    def finish_columns(self, shown: Shown, model: str) -> None:
        """Print every column with what is its own, and under it what of it differs."""
        answers = {
            column.name: Text.assemble(
                self.coloured(column.name, _stretches(column)), "\n\n", (column_line(column), "dim")
            )
            for column in shown.columns
        }
        self.leave(answers, facts(shown, model))


def print_columns(shown: Shown, model: str) -> None:
    """All columns under their names, for pipes and files."""
    for column in shown.columns:
        print(f"--- {column.name} ---\n{visible(column.text).strip()}\n{column_line(column)}\n")
    print(facts(shown, model))


def column_line(column: ColumnShown) -> str:
    """What steered a column, and how far its answer is from the baseline's."""
    said = f"{column.new_tokens} tokens"
    different = column.difference
    if different is None:
        return said
    if different.first is not None:
        first = different.first
        ours, theirs = (visible(each.text) for each in (first.column, first.baseline))
        said += (
            f"; from token {first.index + 1} on, {ours!r} "
            f"({first.baseline.baseline_probability:.2f} → {first.baseline.column_probability:.2f} for "
            f"{theirs!r})"
        )
    elif different.same:
        said += ", the baseline's very ones"
    bits = "" if column.divergence_bits is None else f", {column.divergence_bits:.2f} bits a token"
    return f"{column.steering}\n{said}\n{different.jaccard:.0%} of the words shared{bits}"


def facts(shown: Shown, model: str) -> str:
    """The model, and how fast it was."""
    tokens = sum(column.new_tokens for column in shown.columns)
    return (
        f"{len(shown.columns)} columns on {model}, {tokens} tokens, {shown.tokens_per_s:.0f} tokens/s, "
        f"the first after {shown.first_token_s:.2f} s"
    )


def _stretches(column: ColumnShown) -> list[tuple[str, bool]]:
    if column.difference is None:
        return [(column.text.strip(), True)]
    return [(span.text, span.kind == "equal") for span in column.difference.diff if span.kind != "delete"]
