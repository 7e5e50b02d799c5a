"""What several of the laboratory's commands share: the opened model, and a vector's facts in brief."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options
from vectors.formats.registry import BUILT_IN, names

if TYPE_CHECKING:
    from orchestrator.cli.view import View
    from orchestrator.session import Session
    from vectors.domains.domain_vector import DomainVector


class FormatName(click.Choice[str]):
    """One of our formats of vector files, or a plug-in's; those are looked for when a name is given."""

    def __init__(self) -> None:
        super().__init__(tuple(BUILT_IN))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; else wrong use, with all names that there are. Raises PluginError."""
        if value not in names():
            self.fail(f"there is no format {value!r}: choose one of {', '.join(names())}", param, ctx)
        return str(value)


def check_input(model: str | None, *names: str) -> None:
    """Raise what is wrong with a model's or a vector's name before tensors are imported: that takes seconds.

    Raises ModelUnavailable, PromptSetError for an unknown domain, VectorFileError for a file that is missing.
    """
    from vectors.domains.prompt_sets import load_prompt_set
    from vectors.errors import VectorFileError

    for name in names:
        if not name.endswith(".safetensors"):
            load_prompt_set(name)
        elif not Path(name).is_file():
            raise VectorFileError(f"no file {name}: name a domain or a file that `vectors extract` made")
    options.check_model(options.settings(model=model))


def open_session(model: str | None, view: "View", folder: Path | None = None) -> "Session":
    """A session whose progress goes to a view."""
    from orchestrator.session import Session

    return Session(options.settings(model=model, vectors=folder), progress=view.progress)


def vector_of(session: "Session", name: str) -> "DomainVector":
    """A domain's vector, or one from a file; raises VectorFileError or PromptSetError."""
    if name.endswith(".safetensors"):
        return session.vectors.load(Path(name), session.model)
    return session.vectors.get(session.model, name, progress=session.progress)


def summary(vector: "DomainVector") -> dict[str, Any]:
    """Where and how strongly a vector steers by default, and its hash."""
    steering = vector.steering()
    return {
        "domain": vector.domain,
        "layer": steering.layer,
        "alpha": round(steering.alpha, 4),
        "relative_alpha": round(vector.relative_alpha(steering), 4),
        "sha256": vector.sha256,
    }
