"""One small repair: what it replaces in a file, and with what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Characters start..end (exclusive) of a file become `text`; `kind` names what the catalogue calls it.

    `imports` is what the edit needs beside it: a place before `start`, and the text that comes in there.
    """

    kind: str
    start: int
    end: int
    text: str
    imports: tuple[int, str] | None = None

    @property
    def changes(self) -> tuple[tuple[int, int, str], ...]:
        """Start, end and text of all that is replaced, the last first, so that no place moves."""
        needed = ((self.imports[0], self.imports[0], self.imports[1]),) if self.imports else ()
        return ((self.start, self.end, self.text), *needed)

    def apply(self, source: str) -> str:
        """The source with the edit made."""
        for start, end, text in self.changes:
            source = source[:start] + text + source[end:]
        return source
