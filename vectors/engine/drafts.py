"""What a row may go on with: what followed where its newest tokens stood before.

Who changes a function writes most of it again. Such a draft costs no model, and the pass that takes it in
tells by the row's own choice at each place how much of it is right (Yang et al. 2023, "Inference with
Reference", arXiv 2304.04487). A row gets the same tokens as without.
"""

from collections.abc import Sequence

_SIZES = ((12, 15), (5, 7), (2, 3))
"""The more of the newest tokens stood there, the longer the draft: with the row's own token it is 4, 8 or 16,
since the products of eight bits take them in fours."""
_LOOKED_AT = 16
"""Places where the newest tokens stood that are compared, the latest first."""
_WORTH = 1.0
"""Right tokens of a draft, on average, below which a row drafts seldom: once in _PAUSE tokens."""
_PAUSE = 16
_WEIGHT = 1 / 8
"""Of the latest draft in that average."""


class Drafts:
    """Drafts for one row, of which `known` are the tokens there are, at least two; it grows."""

    def __init__(self, known: Sequence[int]) -> None:
        self._known = known
        self._latest: dict[tuple[int, ...], int] = {}
        self._before: list[int] = []
        self._right = 2 * _WORTH
        self._pause_until = 0
        self._stopped = False

    def next(self, most: int) -> list[int]:
        """What may follow the known tokens, at most so many; often nothing."""
        known = self._known
        paused = self._right < _WORTH and len(known) < self._pause_until
        if self._stopped or paused:
            return []
        at, alike = self._alike()
        size = next((size for least, size in _SIZES if alike >= least), 0)
        apart = len(known) - at  # what repeats may be shorter than the draft
        return [known[at + number % apart] for number in range(min(most, size))]

    def learn(self, right: int) -> None:
        """Take in how many of a draft's tokens were right."""
        self._right += (right - self._right) * _WEIGHT
        self._pause_until = len(self._known) + _PAUSE

    def stop(self) -> None:
        """Draft nothing any more."""
        self._stopped = True
        self._latest, self._before = {}, []

    def _alike(self) -> tuple[int, int]:
        """The place after the tokens that are most like the newest ones, and how many of them are."""
        known, before = self._known, self._before
        while len(before) <= len(known):  # where the same two tokens end before each place, 0 for nowhere
            pair = tuple(known[max(0, len(before) - 2) : len(before)])
            before.append(self._latest.get(pair, 0))
            self._latest[pair] = len(before) - 1
        found, most, at = 0, 0, before[-1]
        for _ in range(_LOOKED_AT):
            if not at or most >= _SIZES[0][0]:
                break
            alike = 2
            while alike < min(at, _SIZES[0][0]) and known[at - alike - 1] == known[-alike - 1]:
                alike += 1
            if alike > most:
                found, most = at, alike
            at = before[at]
        return found, most
