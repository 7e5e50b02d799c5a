"""The documentation is true: links lead somewhere, commands and paths exist, a stale table is noticed."""

import ast
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from docs.tables import commands

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GUIDES = [page for page in PAGES if page.name != "CHANGELOG.md"]
COG = [sys.executable, "-m", "cogapp", "-I", ".", "-p", "from docs.tables import *"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page):
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [page.name for page in PAGES if page.parent.name == "docs" and f"({page.name})" not in index][
        1:
    ]


def test_the_readme_fits_into_two_hundred_lines_and_the_architecture_into_two_hundred_and_fifty():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 250


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_file_that_a_page_names_is_there(page):
    """Of this project: a path in backticks below one of the packages, the tests or the documentation."""
    inside = r"`((?:orchestrator|vectors|retrieval|swebench|services|tests|docs|examples)/[\w./-]+)`"
    assert not [path for path in re.findall(inside, page.read_text()) if not (ROOT / path).exists()]


def test_every_module_that_a_page_names_can_be_found_and_has_what_is_named_in_it():
    named = r"`((?:orchestrator|vectors|retrieval|swebench|services)(?:\.(?!json`)\w+)+)`"
    for page in GUIDES:
        for name in re.findall(named, page.read_text()):
            *above, last = name.split(".")
            module = ROOT.joinpath(*above).with_suffix(".py")
            path = ROOT.joinpath(*above, last)
            there = path.is_dir() or path.with_suffix(".py").exists()
            assert there or re.search(rf"\b{last}\b", module.read_text()), f"{page.name}: {name}"


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_name_that_a_page_says_is_in_a_file_is_there(page):
    for name, path in re.findall(r"`(\w+)`\s+(?:of|in)\s+`(\w+/[\w/]+\.py)`", page.read_text()):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), f"{name} of {path}"


def used_in(text: str) -> list[list[str]]:
    """The words of every call of `orchestrate` in shell lines, without prompts, comments and pipes."""
    calls = []
    for line in text.replace("\\\n", " ").splitlines():
        if found := re.match(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*orchestrate (.*)$", line):
            calls.append(shlex.split(re.split(r"\s[|>&]\s?", found[1])[0], comments=True))
    return calls


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_command_of_a_page_exists_with_its_options(page):
    known = {context.command_path: command for context, command in commands()}
    for words in (call for block in blocks(page, "", "sh", "console") for call in used_in(block)):
        name, command = "orchestrate", known["orchestrate"]
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
            name = f"{name} {words.pop(0)}"
            command = known[name]
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options | {"--help", "--version"}, name


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_the_python_of_a_page_can_be_read_and_imports_what_is_there(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in (
                "vectors",
                "orchestrator",
            ):
                module = importlib.import_module(str(node.module))
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


def test_a_figure_that_changed_makes_the_check_fail_and_the_command_mends_it(tmp_path):
    for folder in ("docs", "vectors"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    page = tmp_path / "docs" / "repair.md"

    def cog(flag: str) -> int:
        return subprocess.run([*COG, flag, str(page)], cwd=tmp_path, check=False, timeout=120).returncode

    results = tmp_path / "docs" / "results" / "bundled_tasks.json"
    assert cog("--check") == 0
    results.write_text(results.read_text().replace('"hits": 4', '"hits": 5'))
    assert cog("--check") == 5
    assert cog("-r") == 0
    assert "5 of 14 | 36 % (16–61)" in page.read_text()
    assert cog("--check") == 0
