"""Notices another package of the import name `swebench` before anything of ours is imported from it.

The official SWE-bench harness is a distribution of that name. In one environment the two write into one
folder, and each leaves the other broken; in an editable installation theirs is found instead of ours. Looking
takes two questions to the file system and imports nothing.
"""

from importlib.util import find_spec
from pathlib import Path

_OURS, _THEIRS = Path("patches", "trees.py"), Path("harness")


def damage() -> str:
    """What is wrong with the `swebench` that an import would find, in one line; "" for ours alone."""
    found = find_spec("swebench")
    places = [Path(place) for place in (found and found.submodule_search_locations) or ()]
    if any((place / _THEIRS).exists() for place in places):
        return (
            f"the official SWE-bench package is in {places[0]}, where ours is, which has the same import "
            "name: give it an environment of its own (pip uninstall swebench), and install this one again "
            "(pip install --force-reinstall --no-deps steered-orchestrator)"
        )
    if found is None or found.origin is None or not any((place / _OURS).is_file() for place in places):
        return (
            f"the package swebench ({', '.join(map(str, places)) or 'not found'}) is not whole, as after "
            "`pip uninstall swebench`: install this program again "
            "(pip install --force-reinstall --no-deps steered-orchestrator)"
        )
    return ""
