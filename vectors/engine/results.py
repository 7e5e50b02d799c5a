"""What rows take from a pass: scores of tokens that were forced on them, the next token, and those after it
as far as a draft was right.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vectors.engine.ragged import Pass, Piece
from vectors.engine.row import Row, Scored
from vectors.engine.sampling import choose
from vectors.engine.twins import meet

_SCORED = 1 << 20
"""Logits that are normalised at once, whatever the vocabulary: 4 MiB."""


class Chosen(NamedTuple):
    """How many tokens were chosen in a pass, and how many of these because a draft was right."""

    tokens: int
    drafted: int


class _Choice(NamedTuple):
    """A row whose next token is drawn from the logits `number` of a pass, and its draft from there on."""

    row: Row
    number: int
    draft: Sequence[int]

    @property
    def right(self) -> bool:
        """Whether what was drawn is what was drafted, and the row goes on."""
        row = self.row
        ended = row.finished or row.cancelled
        return bool(self.draft) and not ended and row.known[-1] == self.draft[0]


def distribute(batch: Pass, logits: Tensor, rows: Mapping[Piece, Row], eos_ids: frozenset[int]) -> Chosen:
    """Give each row its share of a pass's `logits` [wanted, vocab]."""
    at, indices = 0, dict[Piece, dict[int, int]]()
    for piece in batch.pieces:
        indices[piece] = dict(zip(piece.wanted, range(at, at + len(piece.wanted)), strict=True))
        at += len(piece.wanted)
    for row, piece in [(rows[piece], piece) for piece in batch.pieces]:
        if row.leads is not None:
            row.computed = piece.end
            places = {place: logits[number] for place, number in indices.pop(piece).items()}
            meet(row.leads, places, steered=False)
    choosing: list[_Choice] = []
    for piece, index in indices.items():
        row = rows[piece]
        known = len(row.known)
        if piece.drafted and not _finite(logits, list(index.values())):
            # A guess that overflows spoils what is computed beside it: the row's own token is computed alone.
            batch.cache.clear(piece.block, piece.start)
            row.drafts.stop()
            continue
        row.computed = piece.end - piece.drafted
        _look(row, index, logits)
        forced = [at for at in range(max(piece.start, row.prompt_len - 1), row.computed) if at + 1 < known]
        for position, score in zip(forced, _scores(row, forced, index, logits), strict=True):
            if not row.finished:
                row.accept(row.known[position + 1], eos_ids, score)
        if known - 1 in index and not row.finished:
            choosing.append(_Choice(row, index[known - 1], piece.draft))
    chosen = _choose_all(choosing, logits, eos_ids)
    for piece, row in [(piece, rows[piece]) for piece in batch.pieces if piece.drafted]:
        row.drafts.learn(max(0, row.computed + piece.drafted - piece.end))
        row.steering.forget(range(row.computed, piece.end))
    return chosen


def _finite(logits: Tensor, numbers: Sequence[int]) -> bool:
    """Whether the best of each of the logits `numbers`, which follow one another, can be told."""
    return bool(logits[numbers[0] : numbers[-1] + 1].amax(dim=-1).isfinite().all())


def _look(row: Row, index: Mapping[int, int], logits: Tensor) -> None:
    """Take what a row wants to know of the places whose logits are there."""
    first = row.prompt_len - 1
    if row.wants_divergence:
        places = {place: logits[number] for place, number in index.items() if place >= first}
        meet(row, places, steered=True)
    if row.wants_distribution and first in index:
        row.distribution = torch.log_softmax(logits[index[first]], dim=-1).cpu()
    for number, ids in row.wants_alternatives.items():
        if first + number in index:
            scores = torch.log_softmax(logits[index[first + number]], dim=-1)
            row.alternatives[number] = tuple(scores[list(ids)].tolist())


def _choose_all(choosing: Sequence[_Choice], logits: Tensor, eos_ids: frozenset[int]) -> Chosen:
    """Draw the next token of each row, and one more for each that was drafted as it is drawn."""
    counts = []
    while choosing:
        _choose([each.row for each in choosing], logits[[each.number for each in choosing]], eos_ids)
        counts.append(len(choosing))
        choosing = [_Choice(each.row, each.number + 1, each.draft[1:]) for each in choosing if each.right]
        for each in choosing:
            each.row.computed += 1
    return Chosen(sum(counts), sum(counts[1:]))


def _scores(
    row: Row, positions: Sequence[int], index: Mapping[int, int], logits: Tensor
) -> Sequence[Scored | None]:
    """Log-probabilities of the tokens after `positions`, if the row asks for them."""
    if not (row.sampling.logprobs and positions):
        return [None] * len(positions)
    places = [index[position] for position in positions]
    tokens = [row.known[position + 1] for position in positions]
    return _scored(logits, places, tokens, [row.sampling.top_logprobs] * len(tokens))


def _choose(rows: Sequence[Row], logits: Tensor, eos_ids: frozenset[int]) -> None:
    tokens = choose([row.sampler for row in rows], logits)
    asking = [i for i, row in enumerate(rows) if row.sampling.logprobs and tokens[i] is not None]
    chosen = [token for i in asking if (token := tokens[i]) is not None]
    tops = [rows[i].sampling.top_logprobs for i in asking]
    scores = dict(zip(asking, _scored(logits, asking, chosen, tops), strict=True))
    for i, row in enumerate(rows):
        row.accept(tokens[i], eos_ids, scores.get(i))


def _scored(
    logits: Tensor, places: Sequence[int], tokens: Sequence[int], tops: Sequence[int]
) -> list[Scored]:
    """The log-probabilities of a token for each of the `places` in logits [rows, vocab], and of its `tops`
    likeliest. Of a large vocabulary a few rows are looked at a time.
    """
    few = max(1, _SCORED // logits.shape[-1])
    starts = range(0, len(places), few)
    parts = [slice(start, start + few) for start in starts]
    return [
        scored for part in parts for scored in _scored_few(logits[places[part]], tokens[part], tops[part])
    ]


def _scored_few(logits: Tensor, tokens: Sequence[int], tops: Sequence[int]) -> list[Scored]:
    ids = torch.tensor(tokens, dtype=torch.long, device=logits.device).unsqueeze(1)
    every = torch.log_softmax(logits, dim=-1)
    values, likeliest = every.topk(min(max(tops, default=0), every.shape[-1]), dim=-1)
    return [
        Scored(score, tuple(zip(names[:count], best[:count], strict=True)))
        for score, names, best, count in zip(
            every.gather(1, ids).flatten().tolist(), likeliest.tolist(), values.tolist(), tops, strict=True
        )
    ]
