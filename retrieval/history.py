"""What earlier changes say: an issue that reads like a past commit's message is about the files it changed.

The idea is BugLocator's (Zhou et al. 2012, "Where should the bugs be fixed?"), with commit messages in the
place of resolved issues. Only the base commit and its ancestors are ever read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.bm25 import BM25, Floats, Ints
from retrieval.corpus import Numbering
from retrieval.errors import GitFailed
from retrieval.store import Repository
from retrieval.tokens import count_terms

MAX_COMMITS = 4000
_MAX_MESSAGE = 2000  # characters
_SIMILAR = 50
"""How many of the most similar messages count."""
_COMMIT, _MESSAGE_END = "\x01", "\x02"


@dataclass(frozen=True)
class Change:
    """One commit: the paths it changed, and its message's terms [2, n] with their occurrences."""

    terms: Ints
    paths: tuple[str, ...]


_HIDDEN = Change(np.zeros((2, 0), dtype=np.int32), ())


class ChangeLog:
    """The changes of a repository, each read once however many base commits ask for it."""

    def __init__(self, repository: Repository) -> None:
        self.numbering = Numbering()
        self._repository = repository
        self._known: dict[str, Change] = {}

    def before(self, sha: str) -> list[Change]:
        """The newest MAX_COMMITS changes among a commit and its ancestors, merges left out, newest first.

        Where the history cannot be read (a damaged or partial clone) there are none.
        """
        try:
            listed = self._repository.git("rev-list", "--no-merges", f"--max-count={MAX_COMMITS}", sha, "--")
            commits = listed.decode().split()
            self._read([commit for commit in commits if commit not in self._known])
        except GitFailed:
            return []
        # A message may hold the marks that part the records, and so hide its own.
        self._known = {commit: self._known.get(commit, _HIDDEN) for commit in commits}
        return list(self._known.values())

    def _read(self, commits: Sequence[str]) -> None:
        if not commits:
            return
        log = self._repository.git(
            "log", "--no-walk=unsorted", "--stdin", "--no-renames", "-z",
            f"--format={_COMMIT}%H%n%B{_MESSAGE_END}", "--name-only",
            stdin="\n".join(commits).encode() + b"\n",
        )  # fmt: skip
        for record in log.decode(errors="replace").split(_COMMIT)[1:]:
            message, _, names = record.partition(_MESSAGE_END)
            commit, _, text = message.partition("\n")
            paths = tuple(filter(None, names.replace("\n", "\0").split("\0")))
            self._known[commit] = Change(self.numbering.numbered(count_terms(text[:_MAX_MESSAGE])), paths)


class History:
    """Scores the files of a commit by the changes before it.

    Args:
        changes: What was changed, the base commit and its ancestors only.
        vocabulary: The numbers of the terms in `changes`.
        positions: Path to the file's place among the ranked ones; other paths do not count.
    """

    def __init__(
        self, changes: Sequence[Change], vocabulary: Mapping[str, int], positions: Mapping[str, int]
    ) -> None:
        self._changes = changes
        self._vocabulary = vocabulary
        self._positions = positions
        sizes = [change.terms.shape[1] for change in changes]
        numbers = np.repeat(np.arange(len(changes), dtype=np.int32), sizes)
        terms = np.concatenate(
            [np.zeros((2, 0), dtype=np.int32), *(change.terms for change in changes)], axis=1
        )
        self._messages = BM25(np.vstack([numbers, terms]), len(changes), len(vocabulary))

    def scores(self, terms: Mapping[str, float]) -> Floats:
        """Each file's share in the changes whose messages are most like the terms [n_files]."""
        known = {self._vocabulary[term]: weight for term, weight in terms.items() if term in self._vocabulary}
        similarity = self._messages.scores(known)
        scores = np.zeros(len(self._positions))
        for number in np.argsort(-similarity, kind="stable")[:_SIMILAR]:
            paths = self._changes[number].paths
            files = [self._positions[path] for path in paths if path in self._positions]
            if similarity[number] > 0 and files:
                scores[files] += similarity[number] / len(files)
        return scores

    def together(self, paths: Collection[str]) -> Floats:
        """How often each file was changed together with any of those, a commit of n files counting as 1 / n
        [n_files]."""
        wanted, scores = set(paths), np.zeros(len(self._positions))
        for change in self._changes:
            if not wanted.isdisjoint(change.paths):
                files = [self._positions[path] for path in change.paths if path in self._positions]
                scores[files] += 1 / len(change.paths)
        return scores
