"""Where repositories come from, and what can be read from one at a commit without checking it out.

Trees and blobs are read straight from the object store. Nothing here looks beyond the commit it is asked for:
what a base commit's descendants changed stays invisible.
"""

import functools
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.clone import clone
from retrieval.clones import missing_objects, why_not_opened, without_commit, without_objects
from retrieval.decoding import decoded
from retrieval.errors import (
    BadRepositoryName,
    CommitMissing,
    FileMissing,
    GitFailed,
    NotHere,
    NotText,
    RepositoryUnavailable,
)
from retrieval.gitio import Git, git_at
from retrieval.progress import Progress, silent

MAX_BLOB_BYTES = 2_000_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9_][\w./-]*(?:[~^][0-9]*)*", re.ASCII)


@dataclass(frozen=True)
class TreeFile:
    """A regular file of a commit; `size` in bytes, `mode` as git writes it (100644 or 100755).

    The size is None where the clone does not hold the content.
    """

    path: str
    blob: str
    size: int | None
    mode: str


class Repository:
    """A git repository, read only.

    Args:
        name: What messages call it.
        folder: The part of it that is looked at, as git writes paths; all of it where empty.
        checkout: Its working tree, where that is known.
    """

    def __init__(self, name: str, git: Git, folder: str = "", checkout: Path | None = None) -> None:
        self.name = name
        self.git = git
        self.folder = folder
        self.checkout = checkout
        self._tree = functools.lru_cache(maxsize=2)(self._read_tree)
        self._entries: dict[bytes, TreeFile | None] = {}

    def resolve(self, commit: str) -> str:
        """The full hash of a commit given as a hash, branch, tag or HEAD.

        Raises:
            CommitMissing: there is no such commit here.
        """
        if _REVISION.fullmatch(commit) and ".." not in commit:
            asked = f"{commit}^{{commit}}\n".encode()
            answer = self.git("cat-file", "--batch-check=%(objectname)", stdin=asked).split()
            if len(answer) == 1:  # else "… missing" or "… ambiguous"
                return answer[0].decode()
        raise CommitMissing(
            f"commit {commit[:80]!r} is not in {self.name} ({self.git.directory}); {without_commit(self.git)}"
        )

    def files(self, commit: str) -> list[TreeFile]:
        """The regular files of a commit, in git's order; no links, no submodules, no unprintable names.

        Of a repository of which a folder is looked at, those in that.
        """
        inside = f"{self.folder}/" if self.folder else ""
        return [file for file in self._tree(self.resolve(commit)).values() if file.path.startswith(inside)]

    def read_blobs(self, files: Iterable[TreeFile]) -> dict[str, bytes]:
        """Blob hash to content, through one git process; left out are blobs over MAX_BLOB_BYTES, and those
        that the clone does not hold."""
        readable = [file for file in files if file.size is not None and file.size <= MAX_BLOB_BYTES]
        wanted = list(dict.fromkeys(file.blob for file in readable))
        if not wanted:
            return {}
        stream = io.BytesIO(self.git("cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n"))
        blobs: dict[str, bytes] = {}
        for blob in wanted:
            header = stream.readline().split()
            if len(header) != 3:
                raise GitFailed(f"blob {blob} is missing from {self.git.directory}; {self.mending}")
            blobs[blob] = stream.read(int(header[2]))
            stream.read(1)
        return blobs

    def data(self, commit: str, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            FileMissing: no regular file of that path at the commit.
            NotHere: the clone does not hold its content.
            NotText: over MAX_BLOB_BYTES.
        """
        file = self._tree(self.resolve(commit)).get(path)
        if file is None:
            raise FileMissing(f"{self.name} has no regular file {path!r} at {commit[:12]}")
        if file.size is None:
            raise NotHere(f"{path} at {commit[:12]} is not in this clone of {self.name}; {self.mending}")
        if file.size > MAX_BLOB_BYTES:
            raise NotText(f"{path} of {self.name} has {file.size} bytes; {MAX_BLOB_BYTES} is the limit")
        return self.read_blobs([file])[file.blob]

    def text(self, commit: str, path: str) -> str:
        """One file as text: in the encoding its PEP 263 cookie declares for Python, else UTF-8.

        Line ends and a byte order mark stay as they are, so that encoding the text gives the file back.

        Raises:
            FileMissing: no regular file of that path at the commit.
            NotHere: the clone does not hold its content.
            NotText: too large, or not text in that encoding.
        """
        data = self.data(commit, path)
        try:
            return decoded(data) if path.endswith((".py", ".pyi")) else data.decode()
        except (SyntaxError, UnicodeError, LookupError) as fault:
            raise NotText(
                f"{path} of {self.name} at {commit[:12]} is not text in UTF-8 or in the encoding it declares "
                f"({fault})"
            ) from None

    @functools.cached_property
    def mending(self) -> str:
        """What brings in objects that are not here, as the end of a sentence."""
        return without_objects(self.git)

    def _read_tree(self, sha: str) -> dict[str, TreeFile]:
        entries, known = self._listing(sha).split(b"\0")[:-1], self._entries
        # Most are those of the tree before.
        self._entries = {entry: known[entry] if entry in known else _tree_file(entry) for entry in entries}
        return {file.path: file for file in self._entries.values() if file}

    def _listing(self, sha: str) -> bytes:
        """What `ls-tree -l` lists; git itself gives up at the first size that a partial clone lacks."""
        options = ("-r", "-z", "--full-tree", sha)
        done = self.git.run("ls-tree", "-l", *options)
        if done.returncode == 0:
            return done.stdout
        lacking = missing_objects(self.git, sha)
        plain = self.git.run("ls-tree", *options)
        if plain.returncode != 0:
            raise NotHere(f"the files of {sha[:12]} are not in this clone of {self.name}; {self.mending}")
        entries = [entry.split(b"\t", 1) for entry in plain.stdout.split(b"\0")[:-1]]
        here = dict.fromkeys(blob for head, _ in entries if (blob := head.split()[2].decode()) not in lacking)
        asked = "".join(f"{blob}\n" for blob in here).encode()
        sizes = self.git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).split()
        known = dict(zip(sizes[::2], sizes[1::2], strict=True))
        return b"".join(
            b"%s %s\t%s\0" % (head, known.get(head.split()[2], b"BAD"), name) for head, name in entries
        )


def _tree_file(entry: bytes) -> TreeFile | None:
    """A regular file as `ls-tree -l` lists it."""
    described, name = entry.split(b"\t", 1)
    mode, _, blob, size = described.decode().split()
    path = name.decode(errors="replace")
    # Of another name JSON, prompts and patches cannot carry it.
    if not mode.startswith("100") or not path.isprintable() or "\ufffd" in path:
        return None
    return TreeFile(path, blob, int(size) if size.isdecimal() else None, mode)


class RepoStore:
    """Finds a repository: in the mirror folders, else among its own bare clones, else by cloning.

    Args:
        mirrors: Folders that hold `owner__name` or `owner__name.git`, bare or not; links will do.
        cache: Folder for bare clones.
        clone_base: Address that `/owner/name` is put behind; https, or file for a mirror server of one's own.
        progress: Told about a clone.
    """

    def __init__(
        self,
        mirrors: Sequence[Path],
        cache: Path,
        clone_base: str = "https://github.com",
        progress: Progress | None = None,
    ) -> None:
        self.mirrors = tuple(mirrors)
        self.cache = cache
        self.clone_base = clone_base.rstrip("/")
        self.progress = progress or silent

    def open(self, name: str) -> Repository:
        """The repository `owner/name`.

        Raises:
            BadRepositoryName: not of that form.
            RepositoryUnavailable: in none of the places; the message names them.
        """
        if found := self.find(name):
            return found
        folder = name.replace("/", "__")
        tried = [f"{place}/{folder}[.git]" for place in (*self.mirrors, self.cache)]
        url = f"{self.clone_base}/{name}"
        try:
            return Repository(name, Git(clone(url, self.cache / f"{folder}.git", self.progress)))
        except GitFailed as failure:
            tried.append(f"{url} ({failure})")
        raise RepositoryUnavailable(
            f"repository {name} cannot be had; tried {', '.join(tried)}; "
            f"put a clone at {folder}.git in a mirror folder, or connect to the network"
        )

    def find(self, name: str) -> Repository | None:
        """The repository `owner/name` if it is on this machine. Raises BadRepositoryName."""
        if not _NAME.fullmatch(name) or ".." in name:
            raise BadRepositoryName(f"repository {name[:80]!r} is not of the form owner/name")
        folder = name.replace("/", "__")
        for place in (*self.mirrors, self.cache):
            for candidate in (place / folder, place / f"{folder}.git"):
                if git := git_at(candidate):
                    return Repository(name, git)
        return None

    @staticmethod
    def local(path: Path, folder: str = "") -> Repository:
        """A repository of the user's own, named by its folder (of a checkout or a bare repository).

        Of that, a sub-folder is looked at where one is given.

        Raises:
            RepositoryUnavailable: no git repository there.
        """
        git = git_at(path)
        if git is None:
            raise RepositoryUnavailable(
                f"{path} is not the top folder of a git repository: {why_not_opened(path)}"
            )
        checkout = None if git.directory == path.resolve() else path.resolve()
        return Repository(path.resolve().name, git, folder, checkout)
