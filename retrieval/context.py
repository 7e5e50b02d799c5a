"""Fits the best definitions of the best files into a budget of the model's own tokens.

Definitions rather than file heads: the first lines of a file are its imports. A class stands for its opening
(decorators, bases, docstring, attributes) up to its first method, since its methods come as definitions of
their own. Every excerpt is headed by its path, its lines and the names in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from retrieval.definition_hits import DefinitionHit
from retrieval.definitions import find_definitions, lines_of
from retrieval.search import FileHit


@dataclass(frozen=True)
class Span:
    """Lines start_line..end_line (1-based, inclusive) of a file; `name` joins the definitions in it."""

    path: str
    start_line: int
    end_line: int
    name: str


@dataclass(frozen=True)
class Context:
    """`text` is what a prompt takes in, `tokens` its length by the caller's count."""

    text: str
    spans: tuple[Span, ...]
    tokens: int


def build_context(
    hits: Sequence[FileHit],
    definitions: Sequence[DefinitionHit],
    texts: Mapping[str, str],
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> Context:
    """The best definitions of the files in `hits` that fit the budget.

    Files keep the order of `hits`; in a file, spans that overlap or touch are one. A definition that does not
    fit makes way for a smaller one further down; where not even the first fits, its first lines are taken.
    The text never counts more than `budget_tokens`: it is counted as a whole, since tokens do not add up.

    Args:
        texts: Path to the file's text, for every file in `hits` that has definitions.
        count_tokens: The model's count of a text's tokens.
    """
    order = {hit.path: place for place, hit in enumerate(hits)}
    lines = {path: lines_of(texts[path]) for path in order if path in texts}
    wanted = [_opening(hit, texts[hit.path]) for hit in definitions if hit.path in lines]
    chosen = Context("", (), 0)
    for span in wanted:
        if any(_covers(taken, span) for taken in chosen.spans):
            continue
        chosen = _fitting([*chosen.spans, span], order, lines, budget_tokens, count_tokens) or chosen
    if chosen.spans or not wanted:
        return chosen
    best = wanted[0]
    shortest, longest = best.start_line, best.end_line - 1
    while shortest <= longest:
        end_line = (shortest + longest) // 2
        cut = Span(best.path, best.start_line, end_line, best.name)
        fitting = _fitting([cut], order, lines, budget_tokens, count_tokens)
        if fitting:
            chosen, shortest = fitting, end_line + 1
        else:
            longest = end_line - 1
    return chosen


def _opening(hit: DefinitionHit, text: str) -> Span:
    end_line = hit.end_line
    if hit.kind == "class":
        inner = [
            d.start_line for d in find_definitions(text) if hit.start_line < d.start_line <= hit.end_line
        ]
        end_line = min(inner, default=end_line + 1) - 1
    return Span(hit.path, hit.start_line, end_line, hit.name)


def _covers(outer: Span, inner: Span) -> bool:
    return (
        outer.path == inner.path and outer.start_line <= inner.start_line and outer.end_line >= inner.end_line
    )


def _fitting(
    spans: Sequence[Span],
    order: Mapping[str, int],
    lines: Mapping[str, Sequence[str]],
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> Context | None:
    merged = _merged(sorted(spans, key=lambda span: (order[span.path], span.start_line, span.end_line)))
    text = "\n".join(_excerpt(span, lines[span.path]) for span in merged)
    tokens = count_tokens(text)
    return Context(text, tuple(merged), tokens) if tokens <= budget_tokens else None


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in spans:
        last = merged[-1] if merged else None
        if last and last.path == span.path and span.start_line <= last.end_line + 1:
            merged[-1] = Span(
                last.path, last.start_line, max(last.end_line, span.end_line), f"{last.name}, {span.name}"
            )
        else:
            merged.append(span)
    return merged


def _excerpt(span: Span, lines: Sequence[str]) -> str:
    code = "\n".join(lines[span.start_line - 1 : span.end_line])
    return f"### {span.path}, lines {span.start_line}-{span.end_line}: {span.name}\n{code}\n"
