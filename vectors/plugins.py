"""Plug-in points: what a room has itself and what other distributions add to it, by entry points.

An entry point is a name and a location `module:attribute`; nothing is imported before `load` is asked for it,
so that a list of names costs no heavy library and a plug-in that nobody uses can break nothing.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from vectors.errors import PluginError

_T = TypeVar("_T")


def find(group: str, built_in: Mapping[str, str]) -> dict[str, EntryPoint]:
    """Everything of a group by its name: the locations `built_in`, and what is installed beside them.

    Raises PluginError where two have one name.
    """
    found = {name: EntryPoint(name, location, group) for name, location in built_in.items()}
    for entry in entry_points(group=group):
        if entry.name in found:
            both = f"{origin(found[entry.name])} and {origin(entry)}"
            raise PluginError(f"{both} both provide {entry.name!r} of {group}; uninstall one of them")
        found[entry.name] = entry
    return found


def load(entry: EntryPoint, kind: type[_T]) -> _T:
    """Import what an entry point names. Raises PluginError if that fails or gives no `kind`."""
    where = f"{entry.name!r} of {entry.group}, {entry.value} from {origin(entry)},"
    try:
        loaded = entry.load()
    except Exception as error:  # a plug-in raises what it likes
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"{where} cannot be loaded ({reason}); update or uninstall it") from error
    if not isinstance(loaded, kind):
        raise PluginError(
            f"{where} is a {type(loaded).__name__}, expected a {kind.__name__}; update or uninstall it"
        )
    return loaded


def origin(entry: EntryPoint) -> str:
    """The distribution and version that an entry point comes from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "this project"
