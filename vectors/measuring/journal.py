"""What a long analysis has finished so far, in a file, so that the same one goes on where it was.

An analysis is a sequence of units, one after another. The requests of a unit reach the engine together and
share nothing with those of other units. So its figures are the same to the last bit whether what went before
was measured just now or on another day, in bfloat16 too.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

from vectors.files import write_atomic
from vectors.progress import Progress, silent

_Unit = TypeVar("_Unit")
_log = logging.getLogger(__name__)


class Journal:
    """The finished units of an analysis, a line each, in a file in `folder`; without one nothing is kept.

    `told` is called when a file is opened, before anything is added to it.
    """

    def __init__(
        self, folder: Path | None = None, told: "Callable[[Journal], None]" = lambda _: None
    ) -> None:
        self._folder, self._told = folder, told
        self._files: list[Path] = []
        self._beside: list[Path] = []
        self._left: dict[int, object] = {}
        self._next = 0
        self._writable = True
        self.units: int | None = None
        """How many this part has, where that is known before they are made."""
        self.found = 0
        """How many of this part an earlier call has left."""

    def begin(self, facts: object, units: int | None = None) -> None:
        """Take up what is kept under `facts`: plain data, and all that determines the units that follow.

        An analysis that cannot say it all at once begins once for each of its parts.
        """
        self._next, self.units, self._left = 0, units, {}
        if (file := self._file(facts)) is not None:
            self._files.append(file)
            self._left = _read(file)
        self.found = len(self._left)
        self._told(self)

    def _file(self, facts: object) -> Path | None:
        """Where the units that `facts` determine are kept."""
        return self._folder / f"{digest_of(facts)[:32]}.jsonl" if self._folder else None

    @property
    def kept(self) -> int:
        """How many units are in the files, of all parts, at the very moment that somebody asks."""
        return sum(len(_read(file)) for file in self._files)

    def once(self, make: Callable[[], _Unit]) -> _Unit:
        """The next unit, which is plain data (its tuples come back as lists): as it is kept, else made."""
        number, self._next = self._next, self._next + 1
        if number in self._left:
            return cast("_Unit", self._left.pop(number))
        line = json.dumps(make())
        self._keep(number, line)
        made: _Unit = json.loads(line)
        return made

    def once_in_file(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The next unit, which is too large for a line: it is a file beside the lines, which say its hash.

        Where the file is gone or another, it is made again.
        """
        place = self._files[-1].parent / name if self._files else None
        if place and place.is_file():
            content = place.read_bytes()
            if self._left.get(self._next) == [name, hashlib.sha256(content).hexdigest()]:
                self.once(lambda: None)
                return content
        self._left.pop(self._next, None)
        content = make()
        if place:
            write_atomic(place, content)
            self._beside.append(place)
        self.once(lambda: [name, hashlib.sha256(content).hexdigest()])
        return content

    def each(
        self, label: str, makes: Sequence[Callable[[], _Unit]], progress: Progress = silent
    ) -> list[_Unit]:
        """Several units, with progress between them."""
        units: list[_Unit] = []
        for make in makes:
            progress(label, len(units), len(makes))
            units.append(self.once(make))
        progress(label, len(units), len(makes))
        return units

    def drop(self) -> None:
        """Forget all parts: what came of them is where it belongs."""
        for file in (*self._files, *self._beside):
            with suppress(OSError):  # of a cache that is only read: the next one is told what is there
                file.unlink(missing_ok=True)

    def _keep(self, number: int, line: str) -> None:
        if not (self._files and self._writable):
            return
        try:
            self._files[-1].parent.mkdir(parents=True, exist_ok=True)
            with self._files[-1].open("a", encoding="utf-8") as file:
                # In front of it, so that a line of a process that was killed is ended.
                file.write(f"\n[{number}, {line}]")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._writable = False
            _log.warning("nothing more is kept of this, should it be interrupted: %s", error)


def digest_of(facts: object) -> str:
    """The sha256 of plain data."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path) -> dict[int, object]:
    """The whole lines of a file, by number; none where there is no file."""
    found: dict[int, object] = {}
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        with suppress(ValueError, TypeError):  # the last line of a process that was killed
            number, unit = json.loads(line)
            found[number] = unit
    return found
