"""What rows take from a pass: scores of tokens that were forced on them, and the next token."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vectors.engine.ragged import Pass, Piece
from vectors.engine.row import Row, Scored
from vectors.engine.sampling import choose
from vectors.engine.twins import meet

_SCORED = 1 << 20
"""Logits that are normalised at once, whatever the vocabulary: 4 MiB."""


def distribute(batch: Pass, logits: Tensor, rows: Mapping[Piece, Row], eos_ids: frozenset[int]) -> int:
    """Give each row its share of a pass's `logits` [wanted, vocab]; returns how many tokens were chosen."""
    choosing: list[tuple[Row, int]] = []
    at, indices = 0, dict[Piece, dict[int, int]]()
    for piece in batch.pieces:
        indices[piece] = dict(zip(piece.wanted, range(at, at + len(piece.wanted)), strict=True))
        at += len(piece.wanted)
    for row, piece in [(rows[piece], piece) for piece in batch.pieces]:
        if row.leads is not None:
            row.computed = piece.end
            places = {place: logits[number] for place, number in indices.pop(piece).items()}
            meet(row.leads, places, steered=False)
    for piece, index in indices.items():
        row = rows[piece]
        known = len(row.known)
        row.computed = piece.end
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
        forced = [at for at in range(max(piece.start, first), piece.end) if at + 1 < known]
        for position, score in zip(forced, _scores(row, forced, index, logits), strict=True):
            if not row.finished:
                row.accept(row.known[position + 1], eos_ids, score)
        if known - 1 in index and not row.finished:
            choosing.append((row, index[known - 1]))
    if choosing:
        _choose([row for row, _ in choosing], logits[[index for _, index in choosing]], eos_ids)
    return len(choosing)


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
