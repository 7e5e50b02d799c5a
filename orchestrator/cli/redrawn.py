"""What a terminal shows while it changes."""

from abc import ABC, abstractmethod
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from orchestrator.cli import interruption


class Redrawn(ABC):
    """Drawn anew so many times a second; a context manager, because a terminal must be left as it was found.

    What is `transient` is wiped at the end.
    """

    def __init__(self, console: Console, refresh_per_second: int, *, transient: bool = False) -> None:
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=refresh_per_second,
            transient=transient,
        )

    def __enter__(self) -> Self:
        self._live.start()
        interruption.drawing(self._live.stop)
        return self

    def __exit__(self, *exit_: object) -> None:
        self._live.stop()
        interruption.drawing(None)

    @abstractmethod
    def _render(self) -> RenderableType: ...
