"""Terms → text, such as `20%·bug_analysis@16[generated] - 12.5·style@12..18 even when humour@9 > 0.4`.

`vectors.steering.reading` reads it back as the very same terms.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from types import UnionType

from vectors.steering.positions import (
    ALL,
    All,
    Both,
    Either,
    Generated,
    Last,
    Not,
    Positions,
    Prompt,
    Said,
    Special,
    TokenIs,
    Window,
)
from vectors.steering.terms import NamedCondition, Span, Strength, Term

KINDS: dict[str, Positions] = {
    "all": ALL,
    "prompt": Prompt(),
    "generated": Generated(),
    "last": Last(),
    "special": Special(),
    "system": Said("system"),
    "user": Said("user"),
    "assistant": Said("assistant"),
}


def written(terms: Sequence[Term]) -> str:
    """Write terms so that `terms_of` reads them back; "none" for no terms."""
    text = ""
    for term in terms:
        minus = term.strength.value < 0
        sign = (" - " if minus else " + ") if text else ("-" if minus else "")
        text += sign + _term(term)
    return text or "none"


def written_positions(positions: Positions) -> str:
    """Write positions so that `positions_of` reads them back."""
    match positions:
        case Either(others):
            return " | ".join(_inside(each, Either) for each in others)
        case Both(others):
            return " & ".join(_inside(each, Either | Both) for each in others)
        case Not(other):
            return f"!{_inside(other, Either | Both)}"
        case _:
            return _single(positions)


def _inside(positions: Positions, looser: type[Either] | UnionType) -> str:
    text = written_positions(positions)
    return f"({text})" if isinstance(positions, looser) else text


def _single(positions: Positions) -> str:
    match positions:
        case Generated(0, int(end)):
            return f"first {end}"
        case Generated(int(first), None) if first:
            return f"after {first}"
        case Generated(int(first), int(end)):
            return f"(after {first} & first {end})"
        case Window(first, last):
            return f"{first}..{'' if last is None else last}"
        case TokenIs(id_):
            return f"token {id_}"
        case _:
            return next(name for name, each in KINDS.items() if each == positions)


def written_layers(layers: Sequence[Span]) -> str:
    """Write layers so that `layers_of` reads them back."""
    return ",".join(
        str(span.first)
        if span.first == span.last and span.profile == "flat"
        else f"{span.first}..{span.last}{'' if span.profile == 'flat' else f' {span.profile}'}"
        for span in layers
    )


def written_condition(when: NamedCondition) -> str:
    """Write a condition so that `condition_of` reads it back."""
    name = _name(when.probe.vector)
    probe = f"cos({name})" if when.cosine else name
    return f"{probe}@{when.probe.layer} {'>' if when.above else '<'} {_number(when.threshold)}"


def _term(term: Term) -> str:
    name = _name(term.vector)
    text = _strength(term.strength) + (name if term.operation == "add" else f"{term.operation}({name})")
    if term.layers:
        text += f"@{written_layers(term.layers)}"
    if not isinstance(term.positions, All):
        text += f"[{written_positions(term.positions)}]"
    if term.when:
        text += f" when {written_condition(term.when)}"
    return text


def _strength(strength: Strength) -> str:
    size = abs(strength.value)
    if strength.unit == "dose":
        return "" if size == 1 else f"{_number(size)}x·"
    if strength.unit == "share":
        return f"{_decimal(Decimal(repr(size)) * 100)}%·"
    return f"{_number(size)}·"


def _name(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) and name not in ("none", "when", "cos")
    return name if plain else f'"{name}"'


def _number(value: float) -> str:
    return _decimal(Decimal(repr(value)))


def _decimal(value: Decimal) -> str:
    text = f"{value.normalize():f}"
    return text if len(text) < 24 else f"{value:e}"
