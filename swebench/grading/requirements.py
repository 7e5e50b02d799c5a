"""Requirements of specs as pip takes them."""

import re

_ENTRY = re.compile(r"^\s*-\s*([A-Za-z0-9][\w.-]*)\s*([<>=!~ ].*)?$")
_NOT_PIP = {"python", "pip", "nodefaults", "conda-forge", "defaults"}
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

    Conda's `name=1.2` means any 1.2.
    """
    found = []
    for line in text.splitlines():
        entry = _ENTRY.match(line.split("#")[0].rstrip())
        if entry and entry[1].lower() not in _NOT_PIP:
            limits = re.sub(r"^=([\d.]+)(=.*|\.\*)?$", r"==\1.*", (entry[2] or "").replace(" ", ""))
            found.append(_OTHER_NAMES.get(entry[1], entry[1]) + limits)
    return found
