"""Texts by the million tokens, a document at a time: files, folders of them, rows, and the Brown corpus."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from swebench.data.hub import HubSet, hub_rows, hub_set
from swebench.data.rows import SUFFIXES, Row, read_rows
from swebench.errors import InvalidRow
from vectors.errors import TextSetError
from vectors.progress import Progress

BROWN = "brown"
_COLUMNS = ("text", "content", "problem_statement", "patch", "question")
"""The columns of rows that are texts; the first that a row has is read."""
_LARGEST_BYTES = 1 << 20
"""Of a file in a folder: what is larger is generated, or data."""
_PIECE_CHARS = 1 << 16
_Texts = Callable[[], Iterable[str]]


def check_corpus(names: Sequence[str]) -> None:
    """Raise TextSetError for a name that is no file, no folder, no data set of the hub and not `brown`."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            if next(_files(path), None) is None:
                raise TextSetError(f"{name} holds no text: name a folder with source or text files")
        elif not (
            path.is_file() or name == BROWN or ("/" in name and not path.suffix and name[0] not in "./~")
        ):
            raise TextSetError(
                f"{name[:200]!r} is no corpus: name a file, a folder, a data set of the hub as owner/name, "
                f"or {BROWN}"
            )


class Documents:
    """The texts of some sources, the same ones in the same order each time that they are gone through.

    Those of files and folders come mixed, in an order that their names alone decide, so that what is made of
    any part of them is made of all kinds. Then come those of rows, as they stand. `sha256` is of all of them;
    a data set of the hub is told by its name and revision.
    """

    def __init__(self, names: Sequence[str], cache: Path, progress: Progress) -> None:
        self._mixed: list[tuple[str, _Texts]] = []
        self._rows: list[_Texts] = []
        digest = hashlib.sha256()
        for name in names:
            digest.update(self._add(name, cache, progress).encode())
        self.sha256 = digest.hexdigest()
        self._mixed.sort(key=lambda item: hashlib.sha256(item[0].encode()).digest())

    def __iter__(self) -> Iterator[str]:
        for texts in (*(texts for _, texts in self._mixed), *self._rows):
            yield from (text for text in texts() if text.strip())

    def _add(self, name: str, cache: Path, progress: Progress) -> str:
        """Take up a source and return what tells it from others."""
        path = Path(name)
        if path.is_dir():
            found = [(str(file.relative_to(path)), file) for file in _files(path)]
            self._mixed += [(key, partial(_read, file)) for key, file in found]
            return "".join(f"{key}\0{_sha256(file)}\0" for key, file in found)
        if path.is_file() and path.suffix in SUFFIXES:
            self._rows.append(lambda: _texts(read_rows(path)))
            return _sha256(path)
        if path.is_file():
            self._mixed.append((path.name, partial(_pieces, path)))
            return _sha256(path)
        if name == BROWN:
            from vectors.lab.geometry.passages import BROWN as ARCHIVE
            from vectors.lab.geometry.passages import brown

            texts = brown(ARCHIVE.ensure(cache, progress))
            self._mixed += [(f"{BROWN} {number}", partial(list, [text])) for number, text in enumerate(texts)]
            return ARCHIVE.sha256
        of = _of_hub(name)
        self._rows.append(lambda: _texts(hub_rows(of, cache, progress)))
        return of.source


def _of_hub(name: str) -> HubSet:
    found = hub_set(name)
    if found is None:
        raise TextSetError(f"{name[:200]!r} is no file here, and no name of a data set: check it")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The texts of a folder, of any language: what is hidden, a link, too large or no UTF-8 is left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.is_symlink() or not 0 < path.stat().st_size <= _LARGEST_BYTES:
                continue
            if _read(path):
                yield path


def _read(path: Path) -> list[str]:
    """The text of a small file; none where it is not UTF-8."""
    content = path.read_bytes()
    if b"\0" in content:
        return []
    try:
        return [content.decode()]
    except UnicodeDecodeError:
        return []


def _pieces(path: Path) -> Iterator[str]:
    """A text file of any size, some lines at a time."""
    try:
        with path.open(encoding="utf-8") as file:
            while piece := file.readlines(_PIECE_CHARS):
                yield "".join(piece)
    except (OSError, UnicodeDecodeError) as error:
        raise TextSetError(f"{path} cannot be read as UTF-8 text ({error}): save it as that") from None


def _texts(rows: Iterable[tuple[str, Row]]) -> Iterator[str]:
    for place, row in rows:
        text = next((row[column] for column in _COLUMNS if isinstance(row.get(column), str)), None)
        if not isinstance(text, str):
            raise InvalidRow(f"{place} has no column of texts: expected one of {', '.join(_COLUMNS)}")
        yield text.encode(errors="replace").decode()  # JSON can spell no text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
