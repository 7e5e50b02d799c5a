"""What several of the laboratory's commands share: what is wrong with their input, told at once."""

from pathlib import Path
from typing import Any

import click

from orchestrator.cli import options
from vectors.formats.registry import BUILT_IN, names


class FormatName(click.Choice[str]):
    """One of our formats of vector files, or a plug-in's; those are looked for when a name is given."""

    def __init__(self) -> None:
        super().__init__(tuple(BUILT_IN))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; else wrong use, with all names that there are. Raises PluginError."""
        if value not in names():
            self.fail(f"there is no format {value!r}: choose one of {', '.join(names())}", param, ctx)
        return str(value)


def check_input(model: str | None, *names: str, vectors: Path | None = None) -> None:
    """Raise what is wrong with a model's or a vector's name before tensors are imported: that takes seconds.

    `vectors` is the folder of the library, where not the cache's.

    Raises ModelUnavailable, PromptSetError for an unknown domain, VectorFileError for a file that is missing.
    """
    from vectors.domains.own_domains import Domains
    from vectors.errors import VectorFileError

    settings = options.settings(model=model, vectors=vectors)
    for name in names:
        if not name.endswith(".safetensors"):
            Domains(settings.library).check(name)
        elif not Path(name).is_file():
            raise VectorFileError(f"no file {name}: name a domain or a file that `vectors extract` made")
    options.check_model(settings)
