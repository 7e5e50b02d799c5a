"""The modules of a room are told apart by their names, wherever they stand."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOMS = ("vectors", "retrieval", "swebench", "orchestrator", "services")
NAMED_FROM_OUTSIDE = {"cli"}
"""Folders whose modules are named for commands, also where what a command calls has its name."""
OF_PACKAGES = {"__init__", "__main__"}


def names(room: str) -> list[str]:
    root = Path(find_spec(room).origin).parent
    paths = [path.relative_to(root) for path in root.rglob("*.py") if path.stem not in OF_PACKAGES]
    return [path.stem for path in paths if not NAMED_FROM_OUTSIDE.intersection(path.parts)]


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_modules_of_a_room_have_one_name(room):
    counted = Counter(names(room))
    assert len(counted) > 10
    assert not {name for name, count in counted.items() if count > 1}
