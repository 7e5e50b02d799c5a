"""Ranks the test files of a commit by how near they are to an issue and to a change.

The score of a file is a sum of signals, each scaled so that its best file has 1, as in `search`: BM25 with
the issue, with its title, and with the changed files' paths and definitions; in how many past commits it was
changed together with them (Zimmermann et al. 2005, "Mining version histories to guide software changes"), and
how much their messages read like the issue. Only the base commit and its ancestors are ever read.
"""

import threading
from collections.abc import Collection, Mapping

import numpy as np

from retrieval.bm25 import Floats
from retrieval.cache import FeatureCache
from retrieval.corpus import Corpus
from retrieval.definition_hits import scaled
from retrieval.definitions import find_definitions
from retrieval.errors import FileMissing, NotText
from retrieval.history import ChangeLog
from retrieval.index import Index, Indexer
from retrieval.paths import is_test, is_test_module
from retrieval.progress import Progress, silent
from retrieval.question import Question
from retrieval.store import Repository, TreeFile
from retrieval.tokens import count_terms

WEIGHTS = {"text": 1.0, "title": 1.0, "path": 1.0, "definitions": 1.0, "together": 1.0, "history": 0.5}


class NearestTests:
    """Ranks the test files of one repository; holds the last commit's index. May be shared by threads.

    Args:
        cache: What is known of blobs.
        changes: The repository's history; `lock` is held while it is read.
    """

    def __init__(
        self, repository: Repository, cache: FeatureCache, changes: ChangeLog, lock: threading.Lock
    ) -> None:
        self._repository = repository
        self._indexer = Indexer(repository, Corpus(repository, cache), changes, test_modules)
        self._lock = lock
        self._last: tuple[str, Index] | None = None

    def rank(
        self,
        commit: str,
        issue: str,
        changed: Mapping[str, Collection[int]],
        progress: Progress = silent,
    ) -> list[str]:
        """The paths of test files for which anything speaks, nearest first.

        `changed` maps the path of a changed file to the lines that change, 1-based.

        Raises:
            CommitMissing: the repository does not hold the commit.
        """
        with self._lock:
            sha = self._repository.resolve(commit)
            if not test_modules(self._repository, sha):
                return []
            if self._last is None or self._last[0] != sha:
                self._last = (sha, self._indexer.index(sha, progress))
            index = self._last[1]
        found = self.signals(index, sha, issue, {p: c for p, c in changed.items() if not is_test(p)})
        total: Floats = np.sum([WEIGHTS[name] * scaled(values) for name, values in found.items()], axis=0)
        order = np.argsort(-total, kind="stable").tolist()
        return [index.paths[position] for position in order if total[position] > 0]

    def signals(
        self, index: Index, sha: str, issue: str, changed: Mapping[str, Collection[int]]
    ) -> dict[str, Floats]:
        """What each signal says of every test file [n_files], in scales of their own."""
        question = Question.of(issue, (), (), {})
        asked = {
            "text": question.terms,
            "title": question.title,
            "path": count_terms(" ".join(path.removesuffix(".py") for path in changed)),
            "definitions": count_terms(" ".join(self._definitions(sha, changed))),
        }
        scores = {name: index.files.scores(index.numbered(terms)) for name, terms in asked.items()}
        return scores | {
            "together": index.history.together(changed),
            "history": index.history.scores(question.title),
        }

    def _definitions(self, sha: str, changed: Mapping[str, Collection[int]]) -> list[str]:
        """The names of the innermost definitions around the changed lines."""
        names: dict[str, None] = {}
        for path, lines in changed.items():
            try:
                definitions = find_definitions(self._repository.text(sha, path))
            except (FileMissing, NotText):
                continue
            around = ([each for each in definitions if line in each] for line in lines)
            names |= dict.fromkeys(each[-1].name for each in around if each)
        return list(names)


def test_modules(repository: Repository, commit: str) -> list[TreeFile]:
    """The files that test runners look for by their names; raises CommitMissing."""
    return [file for file in repository.files(commit) if is_test_module(file.path)]
