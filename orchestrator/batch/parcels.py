"""The files of an instance's folder on their way from one machine to another."""

from pathlib import Path, PurePosixPath

from orchestrator.errors import OrchestratorError
from swebench.files import write_atomic

MOST_BYTES = 256 << 20


class BadParcel(OrchestratorError):
    """Files that are too large to send, or a name among them that leaves the folder."""


def pack(folder: Path) -> dict[str, bytes]:
    """The files below a folder by their relative names; nothing where there is no folder.

    Raises BadParcel over MOST_BYTES.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise BadParcel(f"{folder} holds more than {MOST_BYTES} bytes, which are not sent")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def unpack(files: dict[str, bytes], folder: Path) -> None:
    """Write packed files into a folder; raises BadParcel for a name that leaves it, before writing any."""
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise BadParcel(f"file name {name[:200]!r} leaves the folder of its instance: it is not written")
    for name, data in files.items():
        write_atomic(folder / name, data.decode("utf-8"))
