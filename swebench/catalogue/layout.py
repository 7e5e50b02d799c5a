"""Where things stand in a file: characters, lines, and the places that syntax trees name by line and byte."""

import ast
from bisect import bisect_right

from swebench.patches.line_ends import split_lines

Node = ast.expr | ast.stmt | ast.ExceptHandler


class Layout:
    """A Python file by its lines, as Python's parser counts them; a byte order mark is no part of one."""

    def __init__(self, source: str) -> None:
        self.source = source
        mark = int(source.startswith("\ufeff"))
        self._lines = split_lines(source[mark:])
        self._starts = [mark]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    @property
    def n_lines(self) -> int:
        """How many lines the file has."""
        return len(self._lines)

    def span(self, node: Node) -> tuple[int, int]:
        """First character and the one after the last of a node, without decorators."""
        end = self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return self.offset(node.lineno, node.col_offset), end

    def text(self, node: Node) -> str:
        """The node's source as it stands."""
        start, end = self.span(node)
        return self.source[start:end]

    def line_of(self, offset: int) -> int:
        """The 1-based line of a character."""
        return max(bisect_right(self._starts, offset), 1)

    def indentation(self, node: ast.stmt) -> str:
        """The blanks before a statement's first line."""
        line = self._lines[node.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def start_of_line(self, line: int) -> int:
        """The first character of a 1-based line; the end of the file for the line after the last."""
        return self._starts[min(line - 1, len(self._starts) - 1)]

    def offset(self, line: int, column_bytes: int) -> int:
        """The character that a node's line and column, which count UTF-8 bytes, name."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        if not text.isascii():
            column_bytes = len(text.encode()[:column_bytes].decode(errors="ignore"))
        return self._starts[line - 1] + column_bytes
