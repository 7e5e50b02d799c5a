"""A PostgreSQL server of the tests' own, on a socket in a temporary folder, where one is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def missing() -> str | None:
    """Why there can be no server here."""
    if not (shutil.which("initdb") and shutil.which("postgres") and shutil.which("pg_ctl")):
        return "PostgreSQL's initdb, postgres and pg_ctl are not on the path"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (the extra `postgresql`)"
    return None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server's URL."""
    # The server refuses to be root; the account `nobody` is everywhere.
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    data = folder / "data"
    folder.chmod(0o777)
    _run(["initdb", "-D", str(data), "-U", "ada", "-A", "trust", "-E", "UTF8", "--no-sync"], **user)
    settings = f"-c listen_addresses= -c unix_socket_directories={folder}"
    log = str(folder / "log")
    _run(["pg_ctl", "-D", str(data), "-w", "-l", log, "-o", settings, "start"], **user)
    try:
        yield f"postgresql+psycopg://ada@/postgres?host={folder}"
    finally:
        _run(["pg_ctl", "-D", str(data), "-m", "immediate", "stop"], **user)


def _run(command: list[str], **user: str) -> None:
    program = shutil.which(command[0])
    assert program
    subprocess.run(
        [program, *command[1:]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user
    )
