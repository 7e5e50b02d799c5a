"""The command line: parsing, views and exit codes.

Exit codes: 0 done, 1 the work failed, 2 wrong use or wrong input, 130 interrupted. Commands are imported only
when they are called, so that --help answers at once.
"""

import errno
import logging
import os
import sqlite3
import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, NoReturn

import click

from orchestrator.cli import interruption
from orchestrator.cli.beside import damage
from orchestrator.cli.lazy import LazyGroup

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_COMMANDS = {
    "Try it": {
        "chat": "Ask a model, unsteered and steered side by side.",
        "arena": "Ask a model under several steerings at once.",
        "models": "List, fetch and look into language models.",
        "tasks": "List the tasks of a data set, and show what one asks for.",
    },
    "Solve": {
        "solve": "Solve one task: read, retrieve, analyse, write a patch, validate it.",
        "evaluate": "Solve many tasks at once, and go on where a killed batch was.",
        "grade": "Run the hidden tests on a file of predictions.",
        "retrieve": "Rank a repository's files for a task, without a model.",
    },
    "Measure": {
        "report": "Measure finished runs and compare them: tables and pictures.",
        "bench": "Measure speed beside peers, retrieval, repair and batches.",
    },
    "Laboratory": {
        "vectors": "Extract, list, calibrate, export and import domain vectors.",
        "lab": "Analyse what vectors do to a model: sweep, lens, diversity, composition.",
    },
    "Serve": {
        "serve": "Take tasks and chats over HTTP.",
        "mcp": "Give other agents tools, over standard streams or HTTP.",
        "keys": "Create, list and revoke the API keys of `serve`.",
    },
}


_WRONG_PLACE = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""What is wrong with a path that somebody named; other errors of the system are work that failed."""
_log = logging.getLogger(__name__)


def _print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print the version and where it runs; torch is not imported for it."""
    if not asked or context.resilient_parsing:
        return
    import platform
    from importlib.metadata import version

    python = f"Python {platform.python_version()}, torch {version('torch')}"
    where = f"{platform.system()} {platform.machine()}"
    click.echo(f"orchestrate {version('steered-orchestrator')} ({python}, {where})")
    context.exit()


@click.group(
    cls=LazyGroup,
    package="orchestrator.cli",
    lazy=_COMMANDS,
    elsewhere=dict.fromkeys(("serve", "mcp", "keys"), "services.cli"),
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        'orchestrate chat "How do I start my day well?"',
        "orchestrate solve harborlab__tidetable-23 --run-tests --grade",
    ),
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version, and what it runs on.",
)
def cli() -> None:
    """Solve software tasks with steered small language models, and see what steering does."""


def main(argv: list[str] | None = None) -> None:
    """The entry point: turns every error that is raised on purpose into one line and an exit code."""
    try:
        with interruption.heeded():
            _run(argv)
    except KeyboardInterrupt:  # between the command's end and that of heeding it
        interruption.tell()
        sys.exit(interruption.INTERRUPTED)


def _run(argv: list[str] | None) -> NoReturn:
    try:
        if damaged := damage():
            click.echo(f"orchestrate: {damaged}", err=True)
            sys.exit(2)
        code = cli.main(args=argv, standalone_mode=False) or 0
        sys.stdout.flush()  # where that fails it is told as well
        sys.exit(code)
    except (click.exceptions.Abort, interruption.Interrupted, KeyboardInterrupt, CancelledError):
        interruption.tell()
        sys.exit(interruption.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _drop_output()  # its reader went away (`… | head`)
        sys.exit(0)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _log.debug("%s", type(error).__name__, exc_info=error)
        click.echo(f"orchestrate: {_one_line(error)}", err=True)
        if isinstance(error, OSError):
            _drop_output()
        sys.exit(code)


def _drop_output() -> None:
    """What is left cannot be written; the interpreter must not fail again on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code(error: Exception) -> int | None:
    """2 for wrong input, 1 for work that failed, None for what was not raised on purpose."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from orchestrator.errors import OrchestratorError
    from retrieval.errors import RetrievalError
    from swebench.errors import SwebenchError
    from vectors.errors import VectorsError

    if isinstance(error, ValidationError | SettingsError):
        return 2
    if isinstance(error, OSError):  # a folder that is not there, full or read-only
        return 2 if error.errno in _WRONG_PLACE else 1
    if isinstance(error, sqlite3.OperationalError):
        return 1
    if isinstance(error, OrchestratorError | RetrievalError | SwebenchError | VectorsError):
        return 2 if isinstance(error, ValueError | LookupError) else 1
    return None


def _one_line(error: Exception) -> str:
    from pydantic import ValidationError

    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, sqlite3.OperationalError):
        return f"the run's checkpoints cannot be kept: {error}"
    if isinstance(error, ValidationError):
        return "; ".join(_complaint(error.title, each) for each in error.errors())
    # LookupError's own text is a repr when it is a KeyError; the first argument is always the message.
    return " ".join(str(error.args[0] if error.args else error).split())


def _complaint(title: str, error: "ErrorDetails") -> str:
    """What pydantic found wrong with one value; of a setting's name, what was probably meant."""
    from orchestrator.settings import Settings
    from vectors.suggestions import did_you_mean

    where, near = ".".join(map(str, error["loc"])), ""
    if error["type"] == "extra_forbidden" and title == Settings.__name__:
        near = did_you_mean(where, Settings.model_fields)
    return f"{where}: {error['msg']} (got {error['input']!r}){near}"
