"""What the sections of a report consist of: sentences, tables, and figures as texts in their cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vectors.statistics.documents import Average, Share

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A header and rows of as many cells; the cells of a row after the first are figures where `figures`."""

    header: Row
    rows: Sequence[Row]
    figures: bool = True
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, the names of its pictures, its tables."""

    title: str
    text: str
    tables: Sequence[Table]
    pictures: Sequence[str] = field(default=())


RATES = {
    "applies": "applies",
    "parses": "parses",
    "gold_file": "gold file",
    "gold_function": "gold function",
    "gold_line": "gold line",
    "resolved": "resolved",
}
SPENT = {"seconds": "seconds", "prompt_tokens": "prompt tokens", "new_tokens": "new tokens"}


def rate_text(rate: Share) -> str:
    """A rate with its counts and interval; an em dash where nothing is known."""
    if rate["value"] is None or rate["ci95"] is None:
        return "—"
    low, high = rate["ci95"]
    return f"{rate['value']:.1%} ({rate['hits']} of {rate['n']}; {low:.1%}–{high:.1%})"


def mean_text(mean: Average, form: str = ".4g") -> str:
    """A mean with its n and interval."""
    return interval_text(mean["value"], mean["n"], mean["ci95"], form)


def interval_text(value: float | None, n: int, ci95: list[float] | None, form: str = ".4g") -> str:
    """A value with its n and interval; an em dash where nothing is known."""
    if value is None:
        return "—"
    interval = "; {} to {}".format(*(format(end, form) for end in ci95)) if ci95 else ""
    return f"{value:{form}} (n {n}{interval})"
