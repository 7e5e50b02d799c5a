"""Texts for an analysis: of the bundled tasks, and of files of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from swebench.data.loading import load_instances
from swebench.data.rows import SUFFIXES, read_rows
from vectors.errors import TextSetError
from vectors.lab.geometry.passages import Corpus, corpus

_MOST_BYTES = 64 << 20
_COLUMNS = {"problem_statement": "issues", "patch": "code", "text": "texts", "question": "questions"}
"""The columns of rows that are texts, and what these are."""
_CODE = ("problem_statement", "patch")


def bundled_corpora() -> list[Corpus]:
    """The issues and gold patches of the bundled tasks, by repository."""
    instances = load_instances("bundled").instances.values()
    repositories = [each.repo for each in instances]
    return [
        corpus("issues", [each.task.problem_statement for each in instances], repositories, code=True),
        corpus("code", [each.patch for each in instances], repositories, code=True),
    ]


def file_corpora(path: Path) -> list[Corpus]:
    """The texts of a file: a plain one's paragraphs, or a corpus for each column of rows that is known.

    Raises TextSetError, and InvalidRow for rows that cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise TextSetError(f"{path} is larger than {_MOST_BYTES >> 20} MiB: give a part of it")
    if path.suffix in SUFFIXES:
        found = _columns(path, [row for _, row in read_rows(path)])
    else:
        try:
            paragraphs = path.read_text("utf-8").split("\n\n")
        except (OSError, UnicodeDecodeError) as error:
            raise TextSetError(f"{path} cannot be read as UTF-8 text ({error}): save it as that") from None
        found = [corpus(path.stem, paragraphs)]
    for each in found:
        if len(each.texts) < 2:
            raise TextSetError(
                f"{path} holds {len(each.texts)} text: two at least are needed, as rows, or as paragraphs "
                "with an empty line between them"
            )
    return found


def _columns(path: Path, rows: Sequence[Mapping[str, object]]) -> list[Corpus]:
    present = [name for name in _COLUMNS if any(isinstance(row.get(name), str) for row in rows)]
    if not present:
        raise TextSetError(f"{path} has no column of texts: expected one of {', '.join(_COLUMNS)}")
    found = []
    for name in present:
        kept = [(text, row.get("repo")) for row in rows if isinstance(text := row.get(name), str)]
        groups = [repo for _, repo in kept if isinstance(repo, str)]
        found.append(
            corpus(
                f"{path.stem[:12]} {_COLUMNS[name]}",
                [text.encode(errors="replace").decode() for text, _ in kept],  # JSON can spell no text
                groups if len(groups) == len(kept) else (),
                code=name in _CODE,
            )
        )
    return found
