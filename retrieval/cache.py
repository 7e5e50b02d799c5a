"""Keeps the features of blobs on disk, one compressed file under the blob's hash, shared by all repositories.

A file is written under a temporary name and moved into place, so that a killed process leaves nothing half
written and processes that write the same blob agree. The checksum of zlib finds damage; a damaged file is
reported, and made again like a missing one.
"""

import logging
import secrets
import zlib
from contextlib import suppress
from pathlib import Path

from retrieval import tokens
from retrieval.features import Features

_FORMAT = 3
_log = logging.getLogger(__name__)


class FeatureCache:
    """Blob hash to Features, in a folder of its own for every version of tokens and format."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / f"features-{_FORMAT}.{tokens.VERSION}"
        self._refused = False

    def get(self, blob: str) -> Features | None:
        """The features, or None where they are not there or damaged."""
        path = self._path(blob)
        try:
            return Features.from_bytes(zlib.decompress(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (zlib.error, ValueError, TypeError) as damage:
            _log.warning("cached features %s are damaged (%s); making them again", path, damage)
            return None

    def put(self, blob: str, features: Features) -> None:
        """Keep the features of a blob, if the folder can be written to."""
        path = self._path(blob)
        staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        data = zlib.compress(features.to_bytes(), level=1)
        try:
            try:
                staged.write_bytes(data)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.write_bytes(data)
            staged.replace(path)
        except OSError as error:  # a folder that is shared and read-only, or full: it is made again next time
            if not self._refused:
                _log.warning("features cannot be kept: %s", error)
            self._refused = True
        finally:
            with suppress(OSError):
                staged.unlink(missing_ok=True)

    def _path(self, blob: str) -> Path:
        return self.folder / blob[:2] / blob[2:]
