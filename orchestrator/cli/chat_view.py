"""How two answers to one prompt look: side by side as they are written, then with the words that differ in
colour; plain text, one after the other, where nobody sees colours."""

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.chat import Comparison, Prepared, Side
from orchestrator.cli.redrawn import Redrawn
from orchestrator.cli.terminal import visible
from orchestrator.word_differences import stretches

SIDES: tuple[Side, Side] = ("unsteered", "steered")
COLOURS: dict[Side, str] = {"unsteered": "cyan", "steered": "yellow"}
_TWO_COLUMNS = 100
"""From this width on the answers stand side by side."""
_WIDEST = 160
"""Lines longer than half of this are hard to read."""


def word_differences(unsteered: str, steered: str) -> dict[Side, list[tuple[str, bool]]]:
    """Each text in stretches, and whether the other has the stretch's words in the same order."""
    found: dict[Side, list[tuple[str, bool]]] = {side: [] for side in SIDES}
    for same, *parts in stretches(unsteered, steered):
        for side, part in zip(SIDES, parts, strict=True):
            if part:
                found[side].append((part, same))
    return found


def steering_line(prepared: Prepared, model: str) -> str:
    """What steers, as text, and the model it steers."""
    shares = [share for share in prepared.shares if share is not None]
    of_norm = f" ({shares[0]:.0%} of the residual's spread)" if len(prepared.shares) == 1 and shares else ""
    return f"{prepared.said}{of_norm} on {model}"


def speed_line(found: Comparison) -> str:
    """How many tokens both rows have, and how fast they came."""
    counts = f"{found.unsteered.new_tokens} + {found.steered.new_tokens} tokens"
    return f"{counts}, {found.tokens_per_s:.0f} tokens/s, the first after {found.first_token_s:.2f} s"


def print_plain(found: Comparison, facts: str) -> None:
    """Both answers under their names, for pipes and files."""
    for side in SIDES:
        print(f"--- {side} ---\n{visible(getattr(found, side).text).strip()}\n")
    print(f"{facts}\n{speed_line(found)}")


class SideBySide(Redrawn):
    """The answers as they grow, on a terminal.

    What is shown while they grow is wiped, and `finish` prints them once more to stay.
    """

    def __init__(self, console: Console, prompt: str) -> None:
        self._console = console
        self._prompt = Text.assemble(("› ", "dim"), (visible(prompt.strip()), "bold"))
        self._texts: dict[Side, str] = dict.fromkeys(SIDES, "")
        self._status = "loading the model …"
        super().__init__(console, refresh_per_second=12, transient=True)

    def progress(self, label: str, done: int, total: int) -> None:
        """Show what goes on before the first token."""
        share = f" {done / total:.0%}" if total > 1 else ""
        self._status = f"{label}{share} …"

    def status(self, line: str) -> None:
        """Show a line below the answers."""
        self._status = line

    def text(self, side: Side, piece: str) -> None:
        """Let a side's answer grow."""
        self._texts[side] += piece

    def finish(self, found: Comparison, facts: str) -> None:
        """Print both answers with their differences, and what they were made with."""
        differences = word_differences(found.unsteered.text.strip(), found.steered.text.strip())
        answers = {
            side: Text.assemble(
                *((visible(part), "default" if shared else COLOURS[side]) for part, shared in parts)
            )
            for side, parts in differences.items()
        }
        self._console.print(self._page(answers))
        self._console.print(Text(f"{facts}\n{speed_line(found)}", style="dim"))

    def _page(self, answers: dict[Side, Text]) -> RenderableType:
        names = {side: Text(side, style=f"bold {COLOURS[side]}") for side in SIDES}
        if self._console.width < _TWO_COLUMNS:
            parts: list[RenderableType] = []
            for side in SIDES:
                parts += [names[side], answers[side], Text()]
            return Group(self._prompt, Text(), *parts)
        table = Table.grid(padding=(0, 4, 0, 0), expand=True)
        for _ in SIDES:
            table.add_column(ratio=1)
        table.add_row(*names.values())
        table.add_row(*(answers[side] for side in SIDES))
        page = Group(self._prompt, Text(), table, Text())
        return Padding(page, (0, max(0, self._console.width - _WIDEST), 0, 0))

    def _render(self) -> RenderableType:
        columns = self._console.width >= _TWO_COLUMNS
        width = min(self._console.width, _WIDEST) // 2 - 4 if columns else self._console.width
        # Of long answers the end, where the words appear: a terminal shows no more lines than it has.
        free = max(4, self._console.height - 8)
        room = free if columns else free // 2
        shown = {
            side: Text("\n").join(Text(visible(text).lstrip()).wrap(self._console, width)[-room:])
            for side, text in self._texts.items()
        }
        status = Text(visible(self._status), style="dim")
        return Group(self._page(shown), status) if any(self._texts.values()) else Group(self._prompt, status)
