"""Modules of this room are told apart by their names, wherever they stand."""

from collections import Counter
from pathlib import Path

import services

COMMANDS = {"serve"}
"""`orchestrate serve` and `orchestrate bench serve`: a command's module is named for the command."""


def test_no_two_modules_have_one_name():
    root = Path(services.__file__).parent
    modules = [path.stem for path in root.rglob("*.py") if path.stem != "__init__"]
    packages = [path.parent.name for path in root.glob("*/__init__.py")]
    counted = Counter([*modules, *packages])
    assert {name for name, count in counted.items() if count > 1} == COMMANDS
