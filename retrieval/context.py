"""Fits the best definitions of the best files into a budget of the model's own tokens.

Definitions rather than file heads: the first lines of a file are its imports. A class stands for its opening
(decorators, bases, docstring, attributes) up to its first method, since its methods come as definitions of
their own. Every excerpt is headed by its path, its lines and the names in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from retrieval.definition_hits import DefinitionHit
from retrieval.definitions import find_definitions, lines_of
from retrieval.search import FileHit


@dataclass(frozen=True)
class Context:
    """`text` is what a prompt takes in, `tokens` its length by the caller's count.

    `excerpts`: what is shown, each a definition's first lines or several definitions', with all their names.
    """

    text: str
    excerpts: tuple[DefinitionHit, ...]
    tokens: int


def build_context(
    hits: Sequence[FileHit],
    definitions: Sequence[DefinitionHit],
    texts: Mapping[str, str],
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> Context:
    """The best definitions of the files in `hits` that fit the budget.

    Files keep the order of `hits`; in a file, excerpts that overlap or touch are one. A definition that does
    not fit makes way for a smaller one further down; where not even the first fits, its first lines are
    taken. The text never counts more than `budget_tokens`: it is counted as a whole, since tokens do not add
    up.

    Args:
        texts: Path to the file's text, for every file in `hits` that has definitions.
        count_tokens: The model's count of a text's tokens.
    """
    order = {hit.path: place for place, hit in enumerate(hits)}
    lines = {path: lines_of(texts[path]) for path in order if path in texts}
    wanted = [_opening(hit, texts[hit.path]) for hit in definitions if hit.path in lines]
    chosen = Context("", (), 0)
    for excerpt in wanted:
        if any(_covers(taken, excerpt) for taken in chosen.excerpts):
            continue
        chosen = _fitting([*chosen.excerpts, excerpt], order, lines, budget_tokens, count_tokens) or chosen
    if chosen.excerpts or not wanted:
        return chosen
    best = wanted[0]
    shortest, longest = best.start_line, best.end_line - 1
    while shortest <= longest:
        end_line = (shortest + longest) // 2
        cut = replace(best, end_line=end_line)
        fitting = _fitting([cut], order, lines, budget_tokens, count_tokens)
        if fitting:
            chosen, shortest = fitting, end_line + 1
        else:
            longest = end_line - 1
    return chosen


def _opening(hit: DefinitionHit, text: str) -> DefinitionHit:
    end_line = hit.end_line
    if hit.kind == "class":
        inner = [d.start_line for d in find_definitions(text) if hit.start_line < d.start_line <= end_line]
        end_line = min(inner, default=end_line + 1) - 1
    return replace(hit, end_line=end_line)


def _covers(outer: DefinitionHit, inner: DefinitionHit) -> bool:
    return (
        outer.path == inner.path and outer.start_line <= inner.start_line and outer.end_line >= inner.end_line
    )


def _fitting(
    excerpts: Sequence[DefinitionHit],
    order: Mapping[str, int],
    lines: Mapping[str, Sequence[str]],
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> Context | None:
    merged = _merged(sorted(excerpts, key=lambda each: (order[each.path], each.start_line, each.end_line)))
    text = "\n".join(_excerpt(excerpt, lines[excerpt.path]) for excerpt in merged)
    tokens = count_tokens(text)
    return Context(text, tuple(merged), tokens) if tokens <= budget_tokens else None


def _merged(excerpts: Sequence[DefinitionHit]) -> list[DefinitionHit]:
    merged: list[DefinitionHit] = []
    for excerpt in excerpts:
        last = merged[-1] if merged else None
        if last and last.path == excerpt.path and excerpt.start_line <= last.end_line + 1:
            end_line = max(last.end_line, excerpt.end_line)
            merged[-1] = replace(last, end_line=end_line, name=f"{last.name}, {excerpt.name}")
        else:
            merged.append(excerpt)
    return merged


def _excerpt(excerpt: DefinitionHit, lines: Sequence[str]) -> str:
    code = "\n".join(lines[excerpt.start_line - 1 : excerpt.end_line])
    return f"### {excerpt.path}, lines {excerpt.start_line}-{excerpt.end_line}: {excerpt.name}\n{code}\n"
