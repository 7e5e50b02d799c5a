"""Text → terms, by the grammar of `language.lark`."""

from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from vectors.errors import SteeringMismatch
from vectors.steering.positions import Both, Either, Generated, Not, Positions, TokenIs, Window
from vectors.steering.terms import NamedCondition, NamedProbe, Profile, Span, Strength, Term, Terms
from vectors.steering.text import KINDS

MOST_CHARACTERS = 10_000
_EXAMPLES = {
    "steering": "20%·bug_analysis@16[generated]",
    "positions": "generated, or user & !special",
    "layers": "16, or 12..18 even",
    "condition": "humour@9 > 0.4",
}


def terms_of(text: str) -> Terms:
    """Read a steering. Raises SteeringMismatch, which points at the place where it cannot go on."""
    return cast("Terms", _read("steering", text))


def positions_of(text: str) -> Positions:
    """Read positions, such as `user & !special`. Raises SteeringMismatch."""
    return cast("Positions", _read("positions", text))


def layers_of(text: str) -> tuple[Span, ...]:
    """Read layers, such as `12..18 even`. Raises SteeringMismatch."""
    return cast("tuple[Span, ...]", _read("layers", text))


def condition_of(text: str) -> NamedCondition:
    """Read a condition, such as `humour@9 > 0.4`. Raises SteeringMismatch."""
    return cast("NamedCondition", _read("condition", text))


def _read(start: str, text: str) -> object:
    if len(text) > MOST_CHARACTERS:
        raise SteeringMismatch(f"a {start} of {len(text)} characters: at most {MOST_CHARACTERS} are read")
    try:
        return _Values().transform(_grammar().parse(text, start=start))
    except VisitError as error:
        if isinstance(error.orig_exc, SteeringMismatch):
            raise error.orig_exc from None
        raise
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        at = len(text) if ended or error.pos_in_stream is None else error.pos_in_stream
        where = f"at {text[at : at + 20]!r}" if text[at:].strip() else "at its end"
        raise SteeringMismatch(
            f"{start} {text[:80]!r} cannot be read {where}; write, for example, {_EXAMPLES[start]}"
        ) from None


@cache
def _grammar() -> Lark:
    text = files("vectors.steering").joinpath("language.lark").read_text(encoding="utf-8")
    return Lark(text, start=list(_EXAMPLES), parser="lalr", maybe_placeholders=True)


@v_args(inline=True)
class _Values(Transformer[Token, object]):
    """Makes the values of the grammar's rules, from the innermost."""

    def nothing(self) -> Terms:
        return ()

    def signed(self, *parts: object) -> Terms:
        signs, terms = parts[::2], cast("tuple[Term, ...]", parts[1::2])
        return tuple(
            term if sign != "-" else _negative(term) for sign, term in zip(signs, terms, strict=True)
        )

    def term(
        self,
        strength: Strength | None,
        target: tuple[str, str],
        layers: tuple[Span, ...] | None,
        positions: Positions | None,
        when: NamedCondition | None,
    ) -> Term:
        operation, vector = target
        return Term(vector, operation, strength or Strength(), layers or (), positions or KINDS["all"], when)

    def strength(self, size: Token) -> Strength:
        match size.type:
            case "SHARE":
                return Strength(float(Decimal(size[:-1]) / 100), "share")
            case "DOSE":
                return Strength(float(size[:-1]), "dose")
            case _:
                return Strength(float(size), "alpha")

    def target(self, *parts: str) -> tuple[str, str]:
        operation, name = parts if len(parts) == 2 else ("add", *parts)
        return str(operation), name

    def name(self, name: Token) -> str:
        return str(name[1:-1] if name.type == "QUOTED" else name)

    def layers(self, *spans: Span) -> tuple[Span, ...]:
        return spans

    def span(self, first: Token, last: Token | None, profile: Token | None) -> Span:
        return Span(int(first), int(last or first), cast("Profile", str(profile or "flat")))

    def either(self, *others: Positions) -> Positions:
        return others[0] if len(others) == 1 else Either(others)

    def both(self, *others: Positions) -> Positions:
        return others[0] if len(others) == 1 else Both(others)

    def negated(self, other: Positions) -> Positions:
        return Not(other)

    def kind(self, name: Token) -> Positions:
        return KINDS[name]

    def first(self, count: Token) -> Positions:
        return Generated(0, int(count))

    def after(self, count: Token) -> Positions:
        return Generated(int(count))

    def token(self, id_: Token) -> Positions:
        return TokenIs(int(id_))

    def window(self, first: Token, last: Token | None) -> Positions:
        return Window(int(first), None if last is None else int(last))

    def projection(self, vector: str, layer: Token) -> tuple[NamedProbe, bool]:
        return NamedProbe(vector, int(layer)), False

    def cosine(self, vector: str, layer: Token) -> tuple[NamedProbe, bool]:
        return NamedProbe(vector, int(layer)), True

    def condition(self, probe: tuple[NamedProbe, bool], compared: Token, threshold: Token) -> NamedCondition:
        return NamedCondition(probe[0], compared == ">", float(threshold), probe[1])


def _negative(term: Term) -> Term:
    return replace(term, strength=Strength(-term.strength.value, term.strength.unit))
