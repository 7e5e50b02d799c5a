"""The report as one HTML file that loads nothing: styles and pictures are in it."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from orchestrator.reporting.sections import Section, Table

_CODE = re.compile(r"`([^`]*)`")
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --ground: #fff; --soft: #5a5a5a; --line: #d5d5d5; --band: #f4f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --ground: #16181c; --soft: #a9adb5; --line: #3a3e46; --band: #1f2228; }
}
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; color: var(--ink); background: var(--ground);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .4rem; }
p { margin: .2rem 0 .8rem; max-width: 52rem; color: var(--soft); }
figure { margin: 1rem 0; overflow-x: auto; }
svg { display: block; max-width: 100%; min-width: 34rem; height: auto; color: var(--ink); }
svg text { font-family: system-ui, sans-serif !important; }
.table { overflow-x: auto; margin: 0 0 1.2rem; }
table { border-collapse: collapse; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--band); }
caption { text-align: left; padding: .3rem .7rem; font-weight: 600; }
tbody th { font-weight: 500; white-space: nowrap; }
small { color: var(--soft); white-space: nowrap; }
.figures td { text-align: right; }
.figures thead th:not(:first-child) { text-align: right; }
td { overflow-wrap: anywhere; min-width: 4.5rem; }
"""  # noqa: E501


def page(title: str, sections: Sequence[Section], pictures: Mapping[str, str]) -> str:
    """The whole document; what comes from runs is escaped."""
    body = "".join(_section(section, pictures) for section in sections)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )


def _section(section: Section, pictures: Mapping[str, str]) -> str:
    drawn = "".join(f"<figure>{pictures[name]}</figure>\n" for name in section.pictures if name in pictures)
    text = _CODE.sub(r"<code>\1</code>", escape(section.text))
    tables = "".join(map(_table, section.tables))
    return f"<section>\n<h2>{escape(section.title)}</h2>\n<p>{text}</p>\n{drawn}{tables}</section>\n"


def _table(table: Table) -> str:
    kind = ' class="figures"' if table.figures else ""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    body = "".join(_row(row, table.figures) for row in table.rows)
    caption = f"<caption>{escape(table.caption)}</caption>\n" if table.caption else ""
    return (
        f'<div class="table"><table{kind}>\n{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _row(row: Sequence[str], figures: bool) -> str:
    cells = "".join(f"<td>{_figure(cell) if figures else escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>\n'


def _figure(cell: str) -> str:
    """A figure, with what stands in brackets in small print below it."""
    value, bracket, rest = escape(cell).partition(" (")
    return f"{value}<br><small>{rest.replace(')', '', 1)}</small>" if bracket else value
