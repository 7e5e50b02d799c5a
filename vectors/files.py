"""Files that appear whole or not at all.

Our own, because the packages for it fall short: atomicwriter 0.3 renames before it syncs and loses the errno,
safer 6.1 never syncs. Rooms do not import one another, so swebench has its own for text.
"""

import os
import secrets
from pathlib import Path


def write_atomic(path: Path, content: bytes) -> None:
    """Write bytes so that a reader, a kill or a power cut finds the old file or the new one, never a part.

    Folders are made; permissions are those of any new file. Nothing is left behind where it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with staged.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
