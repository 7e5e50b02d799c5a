"""How two answers to one prompt look: side by side as they are written, then with the words that differ in
colour; plain text, one after the other, where nobody sees colours."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.chat import Comparison, Prepared, Side
from orchestrator.cli.redrawn import Redrawn
from orchestrator.cli.terminal import visible
from orchestrator.word_differences import stretches

SIDES: tuple[Side, Side] = ("unsteered", "steered")
COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
"""Of answers, in their order."""
_TWO_COLUMNS, _COLUMN = 100, 36
"""From this width on two answers stand side by side, and more from so much for each."""
_WIDEST = 80
"""Lines longer than this are hard to read."""


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
    """The answers as they grow, on a terminal, under their names.

    What is shown while they grow is wiped, and `finish` prints them once more to stay.
    """

    def __init__(self, console: Console, prompt: str, names: Sequence[str] = SIDES) -> None:
        self._console = console
        self.colours = dict(zip(names, COLOURS, strict=False))
        self._prompt = Text.assemble(("› ", "dim"), (visible(prompt.strip()), "bold"))
        self._texts = dict.fromkeys(names, "")
        self._status = "loading the model …"
        super().__init__(console, refresh_per_second=12, transient=True)

    def progress(self, label: str, done: int, total: int) -> None:
        """Show what goes on before the first token."""
        share = f" {done / total:.0%}" if total > 1 else ""
        self._status = f"{label}{share} …"

    def status(self, line: str) -> None:
        """Show a line below the answers."""
        self._status = line

    def text(self, name: str, piece: str) -> None:
        """Let an answer grow."""
        self._texts[name] += piece

    def finish(self, found: Comparison, facts: str) -> None:
        """Print both answers with their differences, and what they were made with."""
        differences = word_differences(found.unsteered.text.strip(), found.steered.text.strip())
        self.leave(
            {side: self.coloured(side, parts) for side, parts in differences.items()},
            f"{facts}\n{speed_line(found)}",
        )

    def coloured(self, name: str, parts: Iterable[tuple[str, bool]]) -> Text:
        """A text of stretches, those that are no others' in the answer's colour."""
        colour = self.colours[name]
        return Text.assemble(*((visible(part), "default" if shared else colour) for part, shared in parts))

    def leave(self, answers: Mapping[str, Text], facts: str) -> None:
        """Print the answers to stay."""
        self._console.print(self._page(answers))
        self._console.print(Text(facts, style="dim"))

    @property
    def _beside(self) -> bool:
        return self._console.width >= max(_TWO_COLUMNS, _COLUMN * len(self.colours))

    def _page(self, answers: Mapping[str, Text]) -> RenderableType:
        names = {name: Text(name, style=f"bold {colour}") for name, colour in self.colours.items()}
        if not self._beside:
            parts: list[RenderableType] = []
            for name, title in names.items():
                parts += [title, answers[name], Text()]
            return Group(self._prompt, Text(), *parts)
        table = Table.grid(padding=(0, 4, 0, 0), expand=True)
        for _ in names:
            table.add_column(ratio=1)
        table.add_row(*names.values())
        table.add_row(*(answers[name] for name in names))
        page = Group(self._prompt, Text(), table, Text())
        return Padding(page, (0, max(0, self._console.width - _WIDEST * len(names)), 0, 0))

    def _render(self) -> RenderableType:
        columns, count = self._beside, len(self.colours)
        whole = self._console.width
        width = min(whole, _WIDEST * count) // count - 4 if columns else whole
        # Of long answers the end, where the words appear: a terminal shows no more lines than it has.
        free = max(4, self._console.height - 8)
        room = free if columns else max(1, free // count)
        shown = {
            name: Text("\n").join(Text(visible(text).lstrip()).wrap(self._console, width)[-room:])
            for name, text in self._texts.items()
        }
        status = Text(visible(self._status), style="dim")
        return Group(self._page(shown), status) if any(self._texts.values()) else Group(self._prompt, status)
