"""Autoencoders by their folders."""

from collections.abc import Sequence
from pathlib import Path


def folders_in(paths: Sequence[Path]) -> list[Path]:
    """The autoencoders that folders are or hold. Raises SaeError where one holds none.

    It is looked for by name alone, before anything large is imported.
    """
    from vectors.errors import SaeError

    found: list[Path] = []
    for path in paths:
        below = (
            [path]
            if (path / "cfg.json").is_file()
            else sorted(each.parent for each in path.glob("**/cfg.json"))
        )
        if not below:
            raise SaeError(
                f"{path} holds no autoencoder: expected cfg.json and its weights in it, or below it"
            )
        found += below
    return list(dict.fromkeys(found))
