"""The session of a command that shows nothing but progress while it works."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.session import Session
    from orchestrator.settings import Settings


@contextmanager
def opened_session(settings: "Settings") -> "Iterator[Session]":
    """A session with these settings, whose progress is on the screen; what is heavy is imported now."""
    from orchestrator.cli.view import view_for
    from orchestrator.session import Session

    with (
        view_for(sys.stderr.isatty(), nodes=()) as view,
        Session(settings, progress=view.progress) as session,
    ):
        yield session
