"""Which of a row's tokens are meant: ranges, kinds and roles of tokens, and what "and", "or" and "not" make
of them.

A selection is a value that is compared, hashed and written as text. Whether it holds for a token depends on
nothing but the token, its place, and what is known of the prompt, never on other rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int64]
    Chosen = NDArray[np.bool_]

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """What a turn says, as tokens `start` to before `end` of the prompt."""

    role: Role
    start: int
    end: int


@dataclass(frozen=True)
class Layout:
    """What is known of a row beside its tokens: how long the prompt is, its turns, which ids are special."""

    prompt_len: int
    turns: Sequence[Turn] = ()
    special_ids: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class All:
    """Every token."""

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """Whether the selection holds for tokens at places of a row, all [tokens]."""
        import numpy as np

        del tokens, layout
        return np.ones(len(places), dtype=np.bool_)


@dataclass(frozen=True)
class Prompt:
    """The prompt's tokens."""

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del tokens
        return places < layout.prompt_len


@dataclass(frozen=True)
class Last:
    """The prompt's last token, from which the first new one is drawn."""

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del tokens
        chosen: Chosen = places == layout.prompt_len - 1
        return chosen


@dataclass(frozen=True)
class Generated:
    """New tokens, from number `first` on (from 0) and before number `end`."""

    first: int = 0
    end: int | None = None

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del tokens
        number: Tokens = places - layout.prompt_len
        return number >= self.first if self.end is None else (number >= self.first) & (number < self.end)


@dataclass(frozen=True)
class Window:
    """Places `first` to `last`, both included, from 0; negative ones count from the prompt's end, whose last
    token is -1. Without `last` to the end of all.
    """

    first: int
    last: int | None = None

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del tokens
        chosen = places >= _from_start(self.first, layout)
        return chosen if self.last is None else chosen & (places <= _from_start(self.last, layout))


@dataclass(frozen=True)
class TokenIs:
    """Tokens of one id."""

    id: int

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del places, layout
        chosen: Chosen = tokens == self.id
        return chosen


@dataclass(frozen=True)
class Special:
    """The tokenizer's special tokens: markers of turns, of the beginning and of the end."""

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        import numpy as np

        del places
        chosen: Chosen = np.isin(tokens, list(layout.special_ids))
        return chosen


@dataclass(frozen=True)
class Said:
    """What turns of a role say; new tokens are the assistant's."""

    role: Role

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        del tokens
        chosen = (places >= layout.prompt_len) & (self.role == "assistant")
        for turn in layout.turns:
            if turn.role == self.role:
                chosen |= (places >= turn.start) & (places < turn.end)
        return chosen


@dataclass(frozen=True)
class Not:
    """What the other does not hold for."""

    other: "Positions"

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        return ~self.other.holds(tokens, places, layout)


@dataclass(frozen=True)
class Both:
    """What all the others hold for."""

    others: "tuple[Positions, ...]"

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        chosen = self.others[0].holds(tokens, places, layout)
        for other in self.others[1:]:
            chosen = chosen & other.holds(tokens, places, layout)
        return chosen


@dataclass(frozen=True)
class Either:
    """What one of the others holds for."""

    others: "tuple[Positions, ...]"

    def holds(self, tokens: "Tokens", places: "Tokens", layout: Layout) -> "Chosen":
        """As in `All`."""
        chosen = self.others[0].holds(tokens, places, layout)
        for other in self.others[1:]:
            chosen = chosen | other.holds(tokens, places, layout)
        return chosen


def _from_start(place: int, layout: Layout) -> int:
    return place if place >= 0 else place + layout.prompt_len


Positions = All | Prompt | Last | Generated | Window | TokenIs | Special | Said | Not | Both | Either

ALL = All()
GENERATED = Generated()


def roles_in(positions: Positions) -> set[Role]:
    """The roles that a selection asks for."""
    match positions:
        case Said(role):
            return {role}
        case Not(other):
            return roles_in(other)
        case Both(others) | Either(others):
            return {role for other in others for role in roles_in(other)}
        case _:
            return set()


def of_prompt_alone(positions: Positions) -> bool:
    """Whether a selection can hold for no new token, whatever it is."""
    match positions:
        case Prompt() | Last():
            return True
        case Window(_, last):
            return last is not None and last < 0
        case Said(role):
            return role != "assistant"
        case Both(others):
            return any(map(of_prompt_alone, others))
        case Either(others):
            return all(map(of_prompt_alone, others))
        case _:
            return False
