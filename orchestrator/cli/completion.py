"""What a shell offers behind a flag or an argument: names of data sets, tasks, models and domains.

Nothing heavy is imported and no network is asked: a person waits for each press of the tab key.
"""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_FILE = "file"
"""Tells the shell to offer paths of its own."""


def datasets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The known names, and files."""
    from swebench.data.loading import PINNED

    return _names(["bundled", *PINNED], incomplete, files=True)


def instances(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the bundled tasks, or of the file that was named; data sets of the hub are not asked."""
    from orchestrator.plugins import load_instances
    from swebench.errors import SwebenchError

    dataset = ctx.params.get("dataset") or "bundled"
    if dataset != "bundled" and not Path(dataset).is_file():
        return []
    try:
        return _names(load_instances(dataset).instances, incomplete)
    except SwebenchError:  # the command will say what is wrong with the file
        return []


def models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The aliases, and folders and files."""
    from vectors.models.loading import ALIASES

    return _names(ALIASES, incomplete, files=True)


def tokenizers(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The pinned tokenizers, the models' aliases, folders and files."""
    from vectors.lab.geometry.tokenizers import PINNED
    from vectors.models.loading import ALIASES

    return _names([*PINNED, *ALIASES], incomplete, files=True)


def domains(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The project's domains, and those of one's own."""
    return _names(_domains(), incomplete)


def vectors(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same, and vector files."""
    return _names(_domains(), incomplete, files=True)


def _domains() -> list[str]:
    from orchestrator.settings import Settings
    from vectors.domains.own_domains import Domains

    return Domains(Settings().library).names()


def _names(names: Iterable[str], incomplete: str, *, files: bool = False) -> list[CompletionItem]:
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    # Shells that are told to complete files drop the names beside them, so it is one or the other.
    return [CompletionItem(incomplete, type=_FILE)] if files and not found else found
