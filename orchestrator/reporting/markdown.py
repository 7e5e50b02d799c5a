"""The report as Markdown."""

import re
from collections.abc import Sequence

from orchestrator.reporting.tables import Section, Table

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_MEANING = re.compile(r"([\\|<>\[\]*_`])")


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The sections under a title; what comes from runs is shown as it is, never as markup."""
    parts = [f"# {title}"]
    for section in sections:
        parts += [f"## {section.title}", section.text, *map(_table, section.tables)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    aligned = ["---", *(["---:" if table.figures else "---"] * (len(table.header) - 1))]
    caption = f"{_plain(table.caption)}:\n\n" if table.caption else ""
    return caption + "\n".join(
        f"| {' | '.join(cells)} |"
        for cells in [[*map(_plain, table.header)], aligned, *([*map(_plain, row)] for row in table.rows)]
    )


def _plain(text: str) -> str:
    return _MEANING.sub(r"\\\1", _CONTROL.sub(" ", text))
