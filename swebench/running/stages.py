"""Puts the code of an issue on a stage: its tests are run, and what it holds for a framework is put to use.

Models of Django get settings and tables, and Django's checks, migration and tables are printed; pages for
Sphinx are built with the code as the module that they document. All of it is more cells around the issue's
own, so that it runs, is traced and is compared as they are.
"""

import ast
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from swebench.patches.source import parse
from swebench.running import django_project, sphinx_project
from swebench.running.cells import Cell, cells_of
from swebench.running.passages import passages_of

_RUN_CASE = """\
def _run_case(case):
    import unittest
    result, errors = unittest.TestResult(), []
    result.addError = result.addFailure = lambda test, error: errors.append(error[1])
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    if errors:
        raise errors[0]
"""
MAX_BYTES = 32_000
"""Of all cells, since they travel as one argument of a command, beside edited forms."""
_OWN_DJANGO = re.compile(r"settings\.configure\(|DJANGO_SETTINGS_MODULE|execute_from_command_line")
_FOR_DJANGO = re.compile(r"\bdjango\b|\(models\.Model\)")
_APP = re.compile(r"(?<![\w./])(?!django\.)([A-Za-z_][\w.]*)\.models\b")
_MODEL = re.compile(r"^class \w+\(.*\b(Model|AbstractBaseUser|AbstractUser)\b", re.MULTILINE)
_ABOVE = re.compile(r"^(\s*from )\.+(?:(models)\b)?(?=\s+import\b)", re.MULTILINE)
_MARKUP = re.compile(r"^\s*\.\. [\w:.+-]+::|:[\w.:+-]+:`[^`]+`", re.MULTILINE)
_PAGES = {"rst", "rest", "restructuredtext"}
_DOCUMENTED = re.compile(r"autodoc|automodule|docstring|napoleon|autosummary|typehints", re.IGNORECASE)
_MEMBERS = ".. automodule:: example\n   :members:\n   :undoc-members:\n   :private-members:\n"


def staged(issue: str, packages: Sequence[str]) -> list[Cell]:
    """The cells of an issue and those that put them to use; `packages` are what the repository provides."""
    own = cells_of(issue)
    code = "\n".join(cell.source for cell in own)
    django = "django" in packages or bool(_FOR_DJANGO.search(code))
    in_django = own and django and not _OWN_DJANGO.search(code)
    page = _page(issue, own) if "sphinx" in packages or "sphinx" in issue.lower() else ""
    put = _django(issue, own) if in_django else _plain(own)
    cells = [*put, *(_sphinx(issue, own, page) if page else ())]
    sizes = itertools.accumulate(len(json.dumps(cell.source)) + 16 for cell in cells)
    return cells[: sum(size <= MAX_BYTES for size in sizes)]


def _plain(own: Sequence[Cell]) -> Iterator[Cell]:
    if any(map(_cases, own)):
        yield Cell("exec", _RUN_CASE, "setup")
    for cell in own:
        yield cell
        yield from _tests(cell)


def _tests(cell: Cell) -> Iterator[Cell]:
    yield from (Cell("single", f"_run_case({name})\n", "test") for name in _cases(cell))
    for node in parse(cell.source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            if not arguments and not node.decorator_list:
                yield Cell("single", f"{node.name}()\n", "test")


def _cases(cell: Cell) -> list[str]:
    return [
        node.name
        for node in parse(cell.source).body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).rpartition(".")[2].endswith("TestCase") for base in node.bases)
    ]


def _django(issue: str, own: Sequence[Cell]) -> Iterator[Cell]:
    named = _APP.search(issue)
    app = named[1] if named and named[1].rpartition(".")[2] not in django_project.CONTRIB else "issue"
    here = [replace(cell, source=_ABOVE.sub(lambda it: _inside(app, it), cell.source)) for cell in own]
    yield Cell("exec", _loading("_django", django_project.__file__), "setup")
    yield Cell("exec", f"_django['enter'](globals(), {app!r})\n{_RUN_CASE}", "setup")
    for cell in here:
        yield cell
        if isinstance(parse(cell.source).body[0], ast.ClassDef | ast.Assign) or cell.kind == "exec":
            yield Cell("exec", "_django['settle'](globals())\n", "setup")
        yield from _tests(cell)
    if _MODEL.search("".join(cell.source for cell in own)):
        for what, asked in (
            ("checks", ""),
            ("migration", "migrat"),
            ("tables", "constraint|index|sql|table"),
        ):
            if re.search(asked, issue, re.IGNORECASE):
                yield Cell("exec", f"_django['say'](globals(), {what!r})\n", "report")


def _inside(app: str, relative: re.Match[str]) -> str:
    return f"{relative[1]}{app}{'.models' if relative[2] else ''}"


def _sphinx(issue: str, own: Sequence[Cell], page: str) -> Iterator[Cell]:
    builder = "latex" if re.search(r"latex|\\\w+\{", issue, re.IGNORECASE) else "html"
    module = "\n".join(cell.source for cell in own if cell.kind == "exec" or _defines(cell))
    yield Cell("exec", _loading("_sphinx", sphinx_project.__file__), "setup")
    yield Cell("exec", f"_sphinx['build'](globals(), {page!r}, {module!r}, {builder!r})\n", "report")


def _page(issue: str, own: Sequence[Cell]) -> str:
    """The markup that an issue shows, or a page that documents its code where it speaks of that."""
    passages = [passage for passage in passages_of(issue) if passage.language is not None]
    shown = [
        passage.text
        for passage in passages
        if passage.language in _PAGES or (passage.language == "" and _MARKUP.search(passage.text))
    ]
    if not shown and _DOCUMENTED.search(issue) and any(map(_defines, own)):
        shown = [_MEMBERS]
    return "Issue\n=====\n\n" + "\n".join(shown) if shown else ""


def _defines(cell: Cell) -> bool:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    return any(isinstance(node, kinds) for node in parse(cell.source).body)


def _loading(name: str, path: str) -> str:
    return f"{name} = {{'__name__': {name!r}}}\nexec(open({path!r}, encoding='utf-8').read(), {name})\n"
