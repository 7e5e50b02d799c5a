"""Answers that take seconds to compute: in memory, and as files in the cache, where a restart finds them."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import ValidationError

from orchestrator.policy.decisions import Record
from vectors.files import write_atomic

_MOST_BYTES = 32 << 20
_IN_MEMORY, _AS_FILES = 16, 128
_log = structlog.get_logger(__name__)


class Digested(Record):
    """An answer that says by `digest` what it hangs on: the model, the vectors, whatever it is about."""

    digest: str


_T = TypeVar("_T", bound=Digested)


class KeptAnswers:
    """Safe from any thread, and beside other processes. The oldest make room."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "arena"
        self._found: OrderedDict[Path, Digested] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, kind: type[_T], digest: str) -> _T | None:
        """One that is known; None also for a file that is damaged, or is of another version or question."""
        path = self._path(kind, digest)
        with self._lock:
            if isinstance(known := self._found.get(path), kind):
                self._found.move_to_end(path)
                return known
        try:
            if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                return None
            found = kind.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        if found.digest != digest:
            return None
        self._remember(path, found)
        return found

    def keep(self, answer: Digested) -> None:
        """For whoever asks next; where the cache takes nothing, in memory alone, and the log says why."""
        path = self._path(type(answer), answer.digest)
        self._remember(path, answer)
        try:
            write_atomic(path, answer.model_dump_json().encode())
            kept = sorted(path.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
            for old in kept[:-_AS_FILES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an answer is not kept", reason=str(error))

    def _path(self, kind: type[Digested], digest: str) -> Path:
        return self._folder / kind.__name__ / f"{digest}.json"

    def _remember(self, path: Path, answer: Digested) -> None:
        with self._lock:
            self._found[path] = answer
            self._found.move_to_end(path)
            while len(self._found) > _IN_MEMORY:
                self._found.popitem(last=False)
