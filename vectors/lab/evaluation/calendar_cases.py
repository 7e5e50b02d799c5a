"""Requests for a calendar, in French and English, each with every value that would be right.

29 cases are written by hand; others are made from templates, so that a rate has n ≥ 200. Variants of one
template are not independent: a case says which `group` it belongs to.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict

_FOLDER = Path(__file__).parent / "calendar"
TEXTS = ("title", "date", "start_time", "end_time", "location")
FIELDS = (*TEXTS, "attendees")
ANYTHING = "*"
"""Stands among the accepted values where every value is right."""


@dataclass(frozen=True)
class Expected:
    """The values that are right, field by field; None where the request does not say, `attendees` as sets."""

    title: tuple[str, ...]
    date: tuple[str | None, ...]
    start_time: tuple[str | None, ...]
    end_time: tuple[str | None, ...]
    location: tuple[str | None, ...]
    attendees: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Case:
    """A request; `kind` is simple, complex, ambiguous, edge or template."""

    id: str
    group: str
    kind: str
    language: str
    text: str
    expected: Expected


@dataclass(frozen=True)
class Shot:
    """A request with its answer, as an example in a prompt."""

    language: str
    text: str
    answer: Mapping[str, object]


class _Words(TypedDict):
    names: list[str]
    rooms: list[str]
    titles: list[tuple[str, str, str]]
    days: list[tuple[str, list[int]]]
    date: str
    first: str
    months: list[str]


class _Template(TypedDict):
    id: str
    language: str
    text: str
    minutes: NotRequired[int]


@cache
def _cases() -> tuple[date, list[Case], list[Shot]]:
    found = json.loads((_FOLDER / "cases.json").read_text("utf-8"))
    cases = [
        Case(row["id"], row["id"], row["kind"], row["language"], row["text"], _expected(row["expected"]))
        for row in found["cases"]
    ]
    return date.fromisoformat(found["today"]), cases, [Shot(**row) for row in found["shots"]]


def today() -> date:
    """The day on which every request is made."""
    return _cases()[0]


def written_cases() -> list[Case]:
    """The 29 that are written by hand, each a group of its own."""
    return _cases()[1]


def shots() -> list[Shot]:
    """Five examples, two of them French, that share nothing with a case."""
    return _cases()[2]


def variants(n: int, seed: int) -> list[Case]:
    """`n` requests from the templates by turns, with days, times, people and places drawn; no text twice."""
    data = json.loads((_FOLDER / "templates.json").read_text("utf-8"))
    templates: list[_Template] = data["templates"]
    words: dict[str, _Words] = data["words"]
    draw, found = random.Random(seed), dict[str, Case]()
    while len(found) < n:
        template = templates[len(found) % len(templates)]
        case = _drawn(template, words[template["language"]], draw, len(found))
        found.setdefault(case.text, case)
    return list(found.values())


def _drawn(template: _Template, words: _Words, draw: random.Random, number: int) -> Case:
    text, language = template["text"], template["language"]
    said, days = _day(words, draw)
    start = draw.randrange(8 * 4, 19 * 4) * 15
    minutes = template.get("minutes") or draw.choice((30, 45, 60, 90, 120))
    ends = "minutes" in template or "{end}" in text
    a_title, the_title, title = draw.choice(words["titles"])
    room, people = draw.choice(words["rooms"]), draw.sample(words["names"], 3)
    who = [name for slot, name in zip(("one", "two", "three"), people, strict=True) if f"{{{slot}}}" in text]
    filled = text.format(
        title=title,
        Title=_capital(title),
        a_title=a_title,
        the_title=the_title,
        date=said,
        Date=_capital(said),
        start=_hour(start, language),
        end=_hour(start + minutes, language),
        room=room,
        **dict(zip(("one", "two", "three"), people, strict=True)),
    )
    with_ = {"fr": "avec", "en": "with"}[language]
    titles = (title, f"{title} {with_} {who[0]}") if who else (title,)
    own = room.replace("salle ", "").replace(" room", "")
    expected = Expected(
        title=titles,
        date=tuple((today() + timedelta(each)).isoformat() for each in days),
        start_time=(_clock(start) if "{start}" in text else None,),
        end_time=(_clock(start + minutes) if ends else None,),
        location=(room, own) if "{room}" in text else (None,),
        attendees=(frozenset(who),),
    )
    group = f"{language}/{template['id']}"
    return Case(f"{group}/{number}", group, "template", language, _capital(filled), expected)


def _day(words: _Words, draw: random.Random) -> tuple[str, Sequence[int]]:
    """A day in words, and how many days from today it may be."""
    if draw.random() < 0.5:
        return draw.choice(words["days"])
    ahead = draw.randrange(14, (date(today().year, 12, 31) - today()).days)
    day = today() + timedelta(ahead)
    number = words["first"] if day.day == 1 else str(day.day)
    return words["date"].format(day=number, month=words["months"][day.month - 1]), [ahead]


def _hour(minutes: int, language: str) -> str:
    hour, rest = divmod(minutes, 60)
    if language == "fr":
        return f"{hour}h{rest:02}" if rest else f"{hour}h"
    half = "am" if hour < 12 else "pm"
    return f"{(hour - 1) % 12 + 1}:{rest:02}{half}" if rest else f"{(hour - 1) % 12 + 1}{half}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _expected(row: Mapping[str, Sequence[str]]) -> Expected:
    texts = {name: tuple(row[name]) for name in TEXTS}
    return Expected(**texts, attendees=tuple(frozenset(each) for each in row["attendees"]))
