"""Code in other languages: which files of a commit are, and whether an issue is about one of them.

Only Python is indexed and repaired; a fault elsewhere must be told from one that was not found.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from retrieval.bm25 import BM25
from retrieval.corpus import Numbering
from retrieval.mentions import named_files
from retrieval.paths import is_test
from retrieval.store import Repository, TreeFile
from retrieval.tokens import count_terms

_ENDINGS = {
    "JavaScript": "js mjs cjs jsx vue svelte",
    "TypeScript": "ts tsx mts",
    "Java": "java",
    "Kotlin": "kt kts",
    "Go": "go",
    "Rust": "rs",
    "Ruby": "rb",
    "PHP": "php",
    "C": "c h",
    "C++": "cc cpp cxx hpp hh",
    "C#": "cs",
    "Swift": "swift",
    "Scala": "scala",
    "Lua": "lua",
    "Perl": "pl pm",
    "shell script": "sh bash",
    "Cython": "pyx pxd",
    "R": "r",
    "Julia": "jl",
    "Elixir": "ex exs",
    "Haskell": "hs",
    "Fortran": "f90 f",
}
_LANGUAGES = {ending: name for name, endings in _ENDINGS.items() for ending in endings.split()}
_NAMED = re.compile(rf"[\w./\\-]{{1,300}}\.(?:{'|'.join(sorted(_LANGUAGES, key=len, reverse=True))})\b")
_NOT_WRITTEN_HERE = {"node_modules", "vendor", "third_party", "dist", "build", "static"}
_MOST_BYTES = 200_000
_MOST_FILES = 3_000


def language_of(path: str) -> str:
    """The language of a file of code that is not Python; "" for any other file."""
    return _LANGUAGES.get(PurePosixPath(path).suffix.lower().removeprefix("."), "")


def other_code(files: Sequence[TreeFile]) -> list[TreeFile]:
    """The files of code in other languages, without tests and what stands where others' code is kept."""
    return [
        file
        for file in files
        if language_of(file.path)
        and not is_test(file.path)
        and not _NOT_WRITTEN_HERE & set(file.path.split("/"))
        and not file.path.endswith((".min.js", ".test.js", ".test.ts", ".spec.js", ".spec.ts"))
    ]


def named_in(issue: str, files: Sequence[TreeFile]) -> list[str]:
    """Those of these files, in other languages, that an issue names unmistakably."""
    paths = [file.path for file in files]
    return [paths[place] for place, clarity in named_files(issue, paths, _NAMED).items() if clarity == 1]


def most_alike(repository: Repository, files: Sequence[TreeFile], issue: str) -> str:
    """The path of the file whose words an issue shares most, by BM25; "" where it shares none."""
    small = [file for file in files if file.size is not None and file.size <= _MOST_BYTES][:_MOST_FILES]
    contents, numbering = repository.read_blobs(small), Numbering()
    parts = [np.zeros((3, 0), dtype=np.int32)]
    for place, file in enumerate(small):
        counted = numbering.numbered(
            count_terms(f"{file.path} {contents[file.blob].decode(errors='replace')}")
        )
        parts.append(np.vstack([np.full((1, counted.shape[1]), place, dtype=np.int32), counted]))
    known = numbering.vocabulary
    if not known:
        return ""
    scores = BM25(np.concatenate(parts, axis=1), len(small), len(known)).scores(
        {known[term]: float(count) for term, count in count_terms(issue).items() if term in known}
    )
    best = int(scores.argmax())
    return small[best].path if scores[best] > 0 else ""
