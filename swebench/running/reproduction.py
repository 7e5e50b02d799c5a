"""Code that an issue shows, run before and after a patch: a right patch changes what it prints.

Only what is seen to reproduce the issue counts: without the patch the code must print something that the
issue quotes, raise an error that it names, or fail an assertion of its own. The hidden tests are not known
here; what is expected is taken from the issue too.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from swebench.patches.plumbing import Git
from swebench.patches.source import parse
from swebench.running.cells import Cell, cells_of
from swebench.running.driving import Driver, Form, Seen, steady
from swebench.running.fault import Outcome
from swebench.running.runner import Surroundings
from swebench.running.stages import staged

_ENVIRONMENT = {"NameError", "ImportError", "ModuleNotFoundError", "FileNotFoundError", "SyntaxError"}
_TELLING = 4
"""Characters of a result that does not stand in an issue by chance; a shorter one must be announced."""
_LONG = 16
"""Characters of a line that does not stand in an issue by chance, though others are printed beside it."""
_MARKUP = re.compile(r"<[^<>]+>[^<>]*</|\\\w+\{")
_BACKTICKED = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"(?<=#).*")
_EXPECTING = r"(?:[Ee]xpect|[Ss]hould|[Cc]orrect|[Ii]nstead|[Rr]ather|[Ww]ant)\w*"
_PROMPT = re.compile(r"^\s*(?:>>>|\.\.\.) ?")


class Reproduction:
    """The code of an issue on a repository at a commit; `usable` says whether it shows the fault there.

    Args:
        packages: Names to import everything from first, since issues leave imports out.
        defined: Looks up the module (dotted) that defines a name, or None; for names that are still missing.
        timeout_s: Of each run.
        within: Where the code runs; the first of its programs' folders has the interpreter.
    """

    named = "the code of the issue"

    def __init__(
        self,
        issue: str,
        git: Git,
        base_commit: str,
        packages: Sequence[str],
        timeout_s: float,
        defined: Callable[[str], str | None],
        within: Surroundings,
    ) -> None:
        self._issue = issue
        self._cells = cells_of(issue)
        self._staged = staged(issue, packages)
        names = self._names(defined)
        self._driver = Driver(git, base_commit, self._staged, timeout_s, within, packages, names)

    @cached_property
    def before(self) -> Seen | None:
        """What is seen without a patch; None where the code does not run to its end."""
        return self._driver.seen() if self._staged else None

    @cached_property
    def usable(self) -> bool:
        """Whether the fault is seen without a patch."""
        seen = self.before
        return seen is not None and any(map(self._shows, self._staged, *zip(*seen, strict=True)))

    @cached_property
    def executed(self) -> Mapping[str, frozenset[int]] | None:
        """Path to the lines that run when the code does, what runs on import left out; None if it cannot be
        told.
        """
        return self._driver.executed()

    def outcome(self, patch: str) -> Outcome:
        """What a patch changes; "expected" if all that is printed anew stands in the issue.

        Raises PatchDoesNotApply, GitFailed, UnsafePath.
        """
        return self._outcome(self._driver.seen(patch))

    def outcomes(self, forms: Sequence[Form], budget_s: float) -> list[Outcome | None]:
        """What each edited form changes; None for those that the time was too short for.

        Raises GitFailed, UnsafePath.
        """
        seen = self._driver.seen_in(forms, budget_s)
        return [None if each == () else self._outcome(each) for each in seen]

    def _outcome(self, after: Seen | None) -> Outcome:
        before = self.before or ()
        if after is None or any(new[1] and not old[1] for old, new in zip(before, after, strict=True)):
            return "broken"
        changed = [
            self._is_expected(cell, old, new)
            for cell, old, new in zip(self._staged, before, after, strict=True)
            if old != new and cell.role != "setup"
        ]
        if not changed:
            return "unchanged"
        return "expected" if all(changed) else "changed"

    def _shows(self, cell: Cell, printed: str, error: str) -> bool:
        if cell.role == "setup":
            return False
        if error and error not in _ENVIRONMENT and (error in self._issue or _is_assertion(cell, error)):
            return True
        lines = printed.splitlines() if cell.role == "report" else ()
        return self._quoted(printed) or any(map(self._is_told, lines))

    def _is_expected(self, cell: Cell, old: tuple[str, str], new: tuple[str, str]) -> bool:
        printed, error = new
        if cell.role == "report" and not error:
            before, after = (set(each.splitlines()) for each in (old[0], printed))
            appeared = [line for line in after - before if line.strip()]
            return all(map(self._is_told, appeared)) if appeared else any(map(self._is_told, before - after))
        if not printed:
            return error in self._issue if error else _is_assertion(cell, old[1])
        if len("".join(printed.split())) >= _TELLING:
            return self._quoted(printed)
        words = re.escape(" ".join(printed.split()))
        return bool(re.search(rf"{_EXPECTING}(?:\W+\w+){{0,8}}?\W+{words}(?!\w)", self._prose))

    def _is_told(self, line: str) -> bool:
        """Whether the issue quotes a line, or a part of it in HTML or LaTeX."""
        return (len(line.strip()) >= _LONG and self._quoted(line)) or any(
            piece in line for piece in self._markup
        )

    @cached_property
    def _markup(self) -> list[str]:
        lines = [*self._issue.splitlines(), *_BACKTICKED.findall(self._issue)]
        pieces = {line.strip() for line in lines if _MARKUP.search(line)}
        return [piece for piece in pieces if len(piece) >= _LONG]

    def _quoted(self, printed: str) -> bool:
        words = " ".join(printed.split())
        return bool(words) and bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", self._prose))

    @cached_property
    def _prose(self) -> str:
        """The issue without the code itself, in which a short result would be found by chance; but with its
        comments, which often say what comes out."""
        own = {line.strip() for cell in self._cells for line in cell.source.splitlines()}
        lines = (_PROMPT.sub("", line).strip() for line in self._issue.splitlines())
        text = " ".join(line for line in lines if line not in own)
        for cell in self._cells:
            text = text.replace(f"`{cell.source.strip()}`", " ")
            text = " ".join([text, *_COMMENT.findall(cell.source)])
        return steady(" ".join(text.split()))

    def _names(self, defined: Callable[[str], str | None]) -> list[tuple[str, str]]:
        """Where the names that the code uses may come from, for those that it does not import."""
        used = dict.fromkeys(
            node.id
            for cell in self._cells
            for node in ast.walk(parse(cell.source))
            if isinstance(node, ast.Name)
        )
        return [(module, name) for name in used if (module := defined(name))]


def _is_assertion(cell: Cell, error: str) -> bool:
    """Whether code of the issue itself says with an error that something is wrong."""
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(parse(cell.source)))
    return error == "AssertionError" and (cell.role == "test" or asserts)
