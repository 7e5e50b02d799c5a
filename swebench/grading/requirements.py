"""Requirements of specs as pip takes them."""

import re
from typing import TypeGuard

from swebench.errors import EnvironmentUnavailable

_ENTRY = re.compile(r"(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)([\s<>=!~].*)?")
_FIXED = re.compile(r"^(?:= *)?([\d.]+?)(?:\.?\*|[ =].*)?$")
_NOT_PIP = {"python", "pip"}
_OTHER_NAMES = {
    "dask-core": "dask",
    # Pip has another package of this name.
    "iris": "scitools-iris",
    "matplotlib-base": "matplotlib",
    "netcdf4": "netCDF4",
    "pytables": "tables",
}
"""Conda's names of packages that are called otherwise on pip's index."""


def requirement_lines(text: str) -> list[str]:
    """The requirements of a requirements file; options, comments and local paths are left out."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(("-", ".", "/"))]


def conda_requirements(text: str) -> list[str]:
    """The dependencies of an environment.yml under pip's names; those that only conda has will not install.

    Conda's `name=1.2` means any 1.2, and so does `name 1.2` here; the name of a build is left out. What
    stands under `pip:` is pip's already.

    Raises EnvironmentUnavailable.
    """
    import yaml

    try:
        # Of tags nothing is made: a date that is none, or a version that looks like a number, stays a text.
        document = yaml.load(text, yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise EnvironmentUnavailable(
            f"its environment.yml is not YAML: {' '.join(str(error).split())}"
        ) from None
    found: list[str] = []
    for entry in _listed(document, "dependencies"):
        if isinstance(entry, str):
            found += _of_conda(entry)
        else:
            found += requirement_lines("\n".join(filter(_is_text, _listed(entry, "pip"))))
    return found


def _listed(document: object, name: str) -> list[object]:
    """What a part of a document lists under a name; nothing where it has another shape."""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _of_conda(entry: str) -> list[str]:
    named = _ENTRY.fullmatch(entry)
    if named is None or named[1].lower() in _NOT_PIP:
        return []
    limits = _FIXED.sub(r"==\1.*", (named[2] or "").strip()).replace(" ", "")
    return [_OTHER_NAMES.get(named[1], named[1]) + limits]
