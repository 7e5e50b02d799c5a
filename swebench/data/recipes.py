"""What a row itself says of the environment of its tests, as those of SWE-rebench do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_VERSION = re.compile(r"(?<![\d.])3\.\d{1,2}(?![\d])")


@dataclass(frozen=True)
class Recipe:
    """How an environment is made: its Python (such as 3.9), requirements as a file of pip's has them, further
    packages, and lines that install the repository.

    `test_files` says that the command is to be given the files of the test patch.
    """

    python: str
    requirements: str = ""
    packages: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    test_files: bool = False

    @classmethod
    def from_columns(cls, columns: Mapping[str, object]) -> Self | None:
        """Of an `install_config`, whose second version names an image of Python; None without a Python."""
        named = columns.get("python") or columns.get("base_image_name")
        version = _VERSION.search(str(named))
        if version is None:
            return None
        return cls(
            python=version[0],
            requirements=str(columns.get("requirements") or ""),
            packages=_lines(columns.get("pip_packages")),
            install=_lines(columns.get("install")),
            test_files=bool(columns.get("python")),
        )


def _lines(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list | tuple) else [value] if value else []
    return tuple(str(line) for line in found if line)
