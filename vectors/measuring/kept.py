"""What a long analysis has measured so far, in a file, so that the same one goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path


class Kept:
    """Measurements by name, a line each; without a path nothing is kept.

    Whoever makes one names the file after everything that determines the figures. `told` is called whenever
    something is kept.
    """

    def __init__(self, path: Path | None = None, told: Callable[[], None] = lambda: None) -> None:
        self._path, self._told = path, told
        self._found: dict[str, list[list[float]]] = {}
        for line in path.read_text("utf-8").splitlines() if path and path.is_file() else ():
            try:
                name, values = json.loads(line)
            except ValueError:  # the last line of a process that was killed
                continue
            self._found[name] = values
        if self._found:
            told()

    def get(self, name: str) -> list[list[float]] | None:
        """What was measured under a name."""
        return self._found.get(name)

    def put(self, name: str, values: list[list[float]]) -> None:
        """Keep a measurement."""
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, values]) + "\n")
            self._told()

    def drop(self) -> None:
        """Forget it all: the analysis is complete."""
        if self._path:
            self._path.unlink(missing_ok=True)
