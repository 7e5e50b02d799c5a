"""What a row can reuse of kept prefixes and of rows that run, and when it pays to wait for more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from vectors.engine.prefixes import MIN_TOKENS, Match, Prefix, PrefixStore, Wanted
from vectors.engine.row import Row

_RECORDED_LAYERS = 12
"""Layers whose residual stream is recorded for later rows: those that rows were steered at most recently."""


@dataclass(eq=False)
class Running:
    """A row that has a block, and what others may reuse of it: its prompt, as far as it is computed."""

    row: Row
    prefix: Prefix


@dataclass
class Sharing:
    """Finds prefixes for rows.

    `reusable`: a row's past is all in the key-value cache, so that any part of it can be used, of a row that
    still runs too. `resumable`: a pass can start after any block.
    """

    prefixes: PrefixStore
    n_layers: int
    resumable: bool
    reusable: bool
    _layers: dict[int, None] = field(default_factory=dict)

    def expect(self, row: Row) -> None:
        """Note where a row that has arrived will want to go on from."""
        if self.resumable and row.lowest < self.n_layers:
            self._layers.pop(row.lowest, None)
            self._layers[row.lowest] = None
            while len(self._layers) > _RECORDED_LAYERS:
                del self._layers[next(iter(self._layers))]

    def forget(self) -> None:
        """Drop all that finished rows have left, and what was expected of rows to come."""
        self._layers.clear()
        while self.prefixes.evict():
            pass

    def recorded_layers(self, row: Row) -> list[int]:
        """The layers to record of a row: where others may go on from, as far as it is not steered before."""
        touched = min([self.n_layers, *row.begun.lowest[-1:].tolist()])
        return [layer for layer in self._layers if layer <= touched]

    def match(self, row: Row, running: Sequence[Running]) -> Match | None:
        """What `row` could reuse now of its prompt."""
        wanted = _wanted(row)
        matches = [self.prefixes.best(wanted)]
        for donor in running if self.reusable else ():
            done = min(donor.row.computed, donor.row.prompt_len)
            matches.append(self.prefixes.match(donor.prefix, done, wanted))
        return max((match for match in matches if match), key=lambda match: match.saved, default=None)

    def worth_waiting(self, row: Row, match: Match | None, running: Sequence[Running]) -> bool:
        """Whether a running row is about to compute clearly more than can be reused now."""
        if not self.reusable:
            return False
        saved = match.saved if match else 0.0
        wanted = _wanted(row)
        for donor in running:
            if donor.row.computed < donor.row.prompt_len:
                later = self.prefixes.match(donor.prefix, donor.row.prompt_len, wanted)
                if later and later.saved >= saved + MIN_TOKENS:
                    return True
        return False

    def leader(self, row: Row, waiting: Sequence[Row], running: Sequence[Running]) -> Row:
        """Of `row` and the waiting rows that begin like it, the one that the others can reuse most of."""
        if not self.resumable or row.lowest >= self.n_layers or self.match(row, running):
            return row
        begin = row.known[:MIN_TOKENS]
        alike = (
            other
            for other in waiting
            if other.owner == row.owner and other.known[:MIN_TOKENS] == begin and len(begin) == MIN_TOKENS
        )
        return max(chain([row], alike), key=lambda each: each.lowest)


def _wanted(row: Row) -> Wanted:
    """What a row can reuse: the prompt's last token has to pass for what follows."""
    return Wanted(row.begins, row.begun, row.owner, row.public_tokens, min(row.reads_from, default=None))
