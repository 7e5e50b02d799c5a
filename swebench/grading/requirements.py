"""Requirements of specs as pip takes them."""

import re

from swebench.errors import EnvironmentUnavailable

_ENTRY = re.compile(r"(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)\s*([<>=!~ ].*)?")
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

    Conda's `name=1.2` means any 1.2; what stands under `pip:` is pip's already.

    Raises EnvironmentUnavailable.
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EnvironmentUnavailable(
            f"its environment.yml is not YAML: {' '.join(str(error).split())}"
        ) from None
    found: list[str] = []
    for entry in (document or {}).get("dependencies") or ():
        if isinstance(entry, dict):
            found += requirement_lines("\n".join(entry.get("pip") or ()))
        elif (named := _ENTRY.fullmatch(entry)) and named[1].lower() not in _NOT_PIP:
            limits = re.sub(r"^=([\d.]+)(=.*|\.\*)?$", r"==\1.*", (named[2] or "").replace(" ", ""))
            found.append(_OTHER_NAMES.get(named[1], named[1]) + limits)
    return found
