"""Draws docs/chat.svg from a real run of the embedded model: `python docs/chat_picture.py`."""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from orchestrator.chat import Question, answer, prepare
from orchestrator.cli.chat_view import SideBySide, steering_line
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.progress import silent

STEER, PROMPT = "2.5x·bug_analysis", "How do I start my day well?"


def main() -> None:
    """Ask, and draw the end of what a terminal of 100 columns shows."""
    settings = Settings()
    with Session(settings, progress=silent) as session:
        prepared = prepare(session, Question(PROMPT, tokens=80, steer=STEER))
        found = answer(session, prepared, lambda _side, _piece: None)
    console = Console(
        record=True, width=100, height=40, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print(
        Text.assemble(("$ ", "dim"), f'orchestrate chat --steer "{STEER}" "{PROMPT}" --tokens 80\n')
    )
    SideBySide(console, PROMPT).finish(found, steering_line(prepared, settings.model))
    Path(__file__).with_name("chat.svg").write_text(console.export_svg(title="orchestrate chat"), "utf-8")


if __name__ == "__main__":
    main()
