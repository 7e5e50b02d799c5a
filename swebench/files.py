"""Text files that appear whole or not at all. Why no package does it: see `vectors.files`, its twin."""

import os
import secrets
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader, a kill or a power cut finds the old file or the new, never a part.

    Folders are made; line ends stay as they are; permissions are those of any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with staged.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
