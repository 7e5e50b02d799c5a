"""What an answer to a request for a calendar is worth: read out of the text, field by field.

Titles are free text, so they are scored by the F1 of their words (as SQuAD does: Rajpurkar et al. 2016,
arXiv 1606.05250); an answer is exact where every other field is right and the title's F1 is at least a half.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from vectors.lab.evaluation.calendar_cases import ANYTHING, FIELDS, Expected

WEIGHTS = {"date": 0.30, "start_time": 0.25, "title": 0.20, "attendees": 0.15, "location": 0.10}
"""The original's weights of a partial score (Edmond, steering-research)."""
_TITLE_F1 = 0.5
_NOTHING = {"", "null", "none", "n/a", "-"}
_SMALL_WORDS = {
    *("le", "la", "les", "l", "un", "une", "de", "du", "des", "d", "a", "au", "en", "pour"),
    *("the", "an", "of", "for", "in", "at", "with", "avec", "and", "et"),
}
_CLOCK = re.compile(r"(\d{1,2})(?::|h)(\d\d)?(?::00)?")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ].*)?")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Marks:
    """What is right of an answer; `parsed` says that it held a JSON object with a field of an event."""

    parsed: bool
    right: Mapping[str, bool]
    title_f1: float

    @property
    def exact(self) -> bool:
        """Whether the event is the one that was asked for."""
        return self.parsed and all(self.right.values())

    @property
    def partial(self) -> float:
        """The weighted share of right fields, with the original's weights; the title counts by its F1."""
        credit = {name: float(right) for name, right in self.right.items()} | {"title": self.title_f1}
        return sum(weight * credit[name] for name, weight in WEIGHTS.items())


def marks(text: str, expected: Expected, *, last: bool = False) -> Marks:
    """Score an answer by the first event in it, or the `last` one; one without any has nothing right."""
    events = list(_events(text))
    if not events:
        return Marks(parsed=False, right=dict.fromkeys(FIELDS, False), title_f1=0.0)
    event = events[-1 if last else 0]
    f1 = max(_f1(_text(event.get("title")) or "", title) for title in expected.title)
    right = {
        "title": f1 >= _TITLE_F1,
        "date": _among(_day(event.get("date")), expected.date),
        "start_time": _among(_time(event.get("start_time")), expected.start_time),
        "end_time": _among(_time(event.get("end_time")), expected.end_time),
        "location": _among(_place(event.get("location")), tuple(map(_place, expected.location))),
        "attendees": _people(event.get("attendees"))
        in [frozenset(map(_plain, each)) for each in expected.attendees],
    }
    return Marks(parsed=True, right=right, title_f1=f1)


def _events(text: str) -> Iterator[Mapping[str, object]]:
    """The objects in a text that have a field of an event, also as the arguments of a call."""
    at = text.find("{")
    while at >= 0:
        end = at + 1
        with suppress(ValueError, RecursionError):
            found, end = _DECODER.raw_decode(text, at)
            if (event := _event(found)) is not None:
                yield event
        at = text.find("{", end)


def _event(found: object) -> Mapping[str, object] | None:
    if not isinstance(found, dict):
        return None
    if found.keys() & set(FIELDS):
        return found
    arguments = found.get("arguments", found.get("parameters"))
    return arguments if isinstance(arguments, dict) and arguments.keys() & set(FIELDS) else None


def _among(value: str | None, accepted: tuple[str | None, ...]) -> bool:
    return value in accepted or ANYTHING in accepted


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    value = " ".join(value.split())
    return None if value.lower() in _NOTHING else value


def _day(value: object) -> str | None:
    """A day in ISO 8601; what is none stays as it is, and is wrong."""
    text = _text(value)
    found = _DAY.fullmatch(text or "")
    return found[1] if found else text


def _time(value: object) -> str | None:
    text = _text(value)
    found = _CLOCK.fullmatch(text or "")
    return f"{int(found[1]):02}:{found[2] or '00'}" if found else text


def _place(value: object) -> str | None:
    text = _text(value)
    return text if text in {None, ANYTHING} else " ".join(_words(text or ""))


def _people(value: object) -> frozenset[str]:
    if isinstance(value, str):
        value = re.split(r",|;| and | et ", value)
    names = value if isinstance(value, list) else []
    texts = [name.get("name", name.get("email")) if isinstance(name, dict) else name for name in names]
    return frozenset(_plain(name) for each in texts if (name := _text(each)))


def _f1(answer: str, wanted: str) -> float:
    ones, others = Counter(_words(answer)), Counter(_words(wanted))
    shared = (ones & others).total()
    return 2 * shared / (ones.total() + others.total()) if shared else 0.0


def _words(text: str) -> list[str]:
    """The words of a text without accents, case, signs and small words."""
    return [word for word in re.findall(r"\w+", _plain(text)) if word not in _SMALL_WORDS]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).strip()
