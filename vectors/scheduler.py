"""Which rows run, and what each forward pass holds: continuous batching on one thread.

Each pass takes the newest token of every decoding row and, up to a budget, pieces of prompts in order of
arrival, so that a long prompt stalls nobody. A row has its whole block from the start: once admitted it never
waits for memory. Rows that could soon reuse what another row is computing wait for it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vectors.errors import GenerationFault, VectorsError
from vectors.kvcache import Block, KeyValueCache
from vectors.prefixes import MIN_TOKENS, Match, Prefix, PrefixStore
from vectors.ragged import Pass, Piece
from vectors.row import Row
from vectors.sampling import choose
from vectors.steering import RowSteering

_PROMPT_TOKENS = 256
"""Prompt tokens of one pass: enough to use the processor fully, few enough not to stall decoding rows."""
_RECORDED_LAYERS = 12
"""Layers whose residual stream is recorded for later rows: those that rows were steered at most recently."""


class Forward(Protocol):
    """Something that runs passes through a model.

    `resumable`: it can start after any block. `alone`: rows in one pass would change each other.
    `reusable`: a row's past is all in the key-value cache.
    """

    @property
    def resumable(self) -> bool: ...  # noqa: D102

    @property
    def alone(self) -> bool: ...  # noqa: D102

    @property
    def reusable(self) -> bool: ...  # noqa: D102

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Return the logits [wanted, vocab] of the pass, in float32."""
        ...


@dataclass
class Counts:
    """What has been done so far. `reused_tokens` are weighted by the share of blocks that were reused."""

    rows: int = 0
    passes: int = 0
    prompt_tokens: int = 0
    reused_tokens: float = 0.0
    new_tokens: int = 0


@dataclass(eq=False)
class _Running:
    """A row that has a block, and what others may reuse of it."""

    row: Row
    prefix: Prefix
    target: int
    """Tokens of the prefix once its prompt is computed."""


@dataclass
class Scheduler:
    """Rows that run, on the cache and the prefixes they share."""

    forward: Forward
    cache: KeyValueCache
    prefixes: PrefixStore
    eos_ids: frozenset[int]
    n_layers: int
    max_rows: int
    device: torch.device
    counts: Counts = field(default_factory=Counts)
    _running: list[_Running] = field(default_factory=list)
    _layers: dict[int, None] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """The rows that run."""
        return [running.row for running in self._running]

    def admit(self, waiting: list[Row]) -> None:
        """Take rows from `waiting`, in order of arrival, while there is room."""
        for row in waiting:
            self._note_layer(row)
        for row in list(waiting):
            if len(self._running) >= self.max_rows:
                return
            if row not in waiting:
                continue
            leader = self._leader(row, waiting)
            match = self._match(leader)
            if self._worth_waiting(leader, match):
                continue
            block = self._allocate(leader.prompt_len + leader.sampling.max_new_tokens)
            if block is None:
                return
            waiting.remove(leader)
            self._start(leader, block)

    def step(self) -> list[Row]:
        """Run what is due and return the rows that have finished."""
        for running in self._running:
            if running.row.cancelled and not running.row.finished:
                running.row.end("cancelled")
        self._run_resumed()
        self._run_newest()
        finished = [running for running in self._running if running.row.finished]
        self._running = [running for running in self._running if not running.row.finished]
        for running in finished:
            self._release(running)
        return [running.row for running in finished]

    def abandon(self, error: Exception | None = None) -> list[Row]:
        """End every row, cancelled or with an error, and return them."""
        for running in self._running:
            running.row.end(None if error else "cancelled", error)
        rows = self.rows
        for running in self._running:
            self._release(running)
        self._running = []
        return rows

    # Admission

    def _note_layer(self, row: Row) -> None:
        if self.forward.resumable and (steering := _steering(row)):
            self._layers.pop(steering.layer, None)
            self._layers[steering.layer] = None
            while len(self._layers) > _RECORDED_LAYERS:
                del self._layers[next(iter(self._layers))]

    def _leader(self, row: Row, waiting: Sequence[Row]) -> Row:
        """Of the waiting rows that share a prefix with `row`, the one that others can reuse most of."""
        if not (self.forward.resumable and _steering(row)) or self._match(row):
            return row
        begin = row.known[:MIN_TOKENS]
        alike = (other for other in waiting if other.known[:MIN_TOKENS] == begin and len(begin) == MIN_TOKENS)
        return max(chain([row], alike), key=lambda each: _depth(each, self.n_layers))

    def _match(self, row: Row) -> Match | None:
        """What `row` could reuse now, of kept prefixes and of running rows."""
        if not self.forward.reusable:
            return None
        tokens, steering = _shareable(row), _steering(row)
        matches = [self.prefixes.best(tokens, steering)]
        for donor in self._running:
            done = min(donor.row.computed, donor.target)
            matches.append(self.prefixes.match(donor.prefix, done, tokens, steering))
        return max((match for match in matches if match), key=lambda match: match.saved, default=None)

    def _worth_waiting(self, row: Row, match: Match | None) -> bool:
        """Whether a running row is about to compute clearly more than can be reused now."""
        if not self.forward.reusable:
            return False
        saved = match.saved if match else 0.0
        tokens, steering = _shareable(row), _steering(row)
        for donor in self._running:
            if donor.row.computed < donor.target:
                later = self.prefixes.match(donor.prefix, donor.target, tokens, steering)
                if later and later.saved >= saved + MIN_TOKENS:
                    return True
        return False

    def _allocate(self, tokens: int) -> Block | None:
        while (block := self.cache.allocate(tokens)) is None:
            if not self.prefixes.evict():
                return None
        return block

    def _start(self, row: Row, block: Block) -> None:
        match = self._match(row)  # again: allocating may have evicted a prefix
        row.block, row.started = block, time.perf_counter()
        wanted = [layer for layer in self._layers if layer <= _depth(row, self.n_layers)]
        if match is None:
            row.records = {layer: [] for layer in wanted}
        else:
            tokens = min(match.tokens, row.needed - 1)
            n_layers = self.n_layers if match.layer is None else match.layer + 1
            self.cache.copy(match.prefix.block, block, tokens, n_layers)
            inherited = {layer: _first(pieces, tokens) for layer, pieces in match.prefix.records.items()}
            row.records = {layer: [inherited[layer]] for layer in wanted if layer in inherited}
            row.reused = tokens
            if match.layer is None:
                row.computed = tokens
            else:
                row.resume = (match.layer, inherited[match.layer])
                row.records |= {layer: [] for layer in wanted if layer > match.layer}
            self.counts.reused_tokens += tokens * n_layers / self.n_layers
        tokens_now = _shareable(row)
        target = min(len(tokens_now), row.needed)
        self._running.append(
            _Running(row, Prefix(tokens_now, block, _steering(row), row.records, target), target)
        )
        self.counts.rows += 1
        self.counts.prompt_tokens += row.prompt_len

    def _release(self, running: _Running) -> None:
        """Leave the row's block to later rows, as far as they can use it."""
        row, prefix = running.row, running.prefix
        row.settle()
        prefix.tokens = _shareable(row)[: row.computed]
        if not self.forward.reusable or row.error is not None or len(prefix.tokens) < MIN_TOKENS:
            self.cache.free(prefix.block)
            return
        prefix.recorded = min(running.target, len(prefix.tokens))
        prefix.records = {layer: [_first(pieces, prefix.recorded)] for layer, pieces in row.records.items()}
        self.prefixes.keep(prefix)

    # Passes

    def _run_resumed(self) -> None:
        """Take reused tokens through the blocks that are left; one layer to start from at a time."""
        due = [row for row in self.rows if row.resume is not None and not row.finished]
        if not due:
            return
        assert due[0].resume is not None
        layer, budget = due[0].resume[0], _PROMPT_TOKENS
        pieces: dict[Piece, Row] = {}
        hidden: dict[Piece, Tensor] = {}
        for row in due:
            assert row.resume is not None and row.block is not None
            if row.resume[0] != layer or budget == 0:
                continue
            end = min(row.reused, row.resumed + budget)
            budget -= end - row.resumed
            later = {at: records for at, records in row.records.items() if at > layer}
            tokens = row.known[row.resumed : end]
            piece = Piece(row.block, row.resumed, tokens, row.steering, (), later)
            pieces[piece], hidden[piece] = row, row.resume[1][row.resumed : end]
        for batch, _ in self._runs(pieces, (layer, hidden)):
            for piece in batch.pieces:
                row = pieces[piece]
                row.resumed = piece.end
                if row.resumed == row.reused:
                    row.computed, row.resume = row.reused, None

    def _run_newest(self) -> None:
        """The newest token of each decoding row, and pieces of prompts."""
        budget = _PROMPT_TOKENS
        pieces: dict[Piece, Row] = {}
        for row in self.rows:
            if row.finished or row.resume is not None:
                continue
            assert row.block is not None
            end = row.needed
            if not row.decoding:
                end = min(end, row.computed + budget)
                budget -= end - row.computed
            if end == row.computed:
                continue
            tokens = row.known[row.computed : end]
            wanted = row.wanted(row.computed, end)
            records = {} if row.decoding else row.records  # what was generated is seldom begun with again
            piece = Piece(row.block, row.computed, tokens, row.steering, wanted, records, row.states)
            pieces[piece] = row
        for batch, logits in self._runs(pieces):
            self._take(batch, logits, pieces)

    def _runs(
        self, pieces: dict[Piece, Row], resume: tuple[int, dict[Piece, Tensor]] | None = None
    ) -> list[tuple[Pass, Tensor]]:
        """Run pieces in one pass; where that fails, each alone, so that a fault stays with its row."""
        groups = [[piece] for piece in pieces] if self.forward.alone else [list(pieces)] if pieces else []
        done = []
        while groups:
            group = groups.pop(0)
            lengths = {piece: {at: len(made) for at, made in piece.records.items()} for piece in group}
            try:
                batch = Pass(group, self.cache, self.device)
                start = resume and (resume[0], torch.cat([resume[1][piece] for piece in batch.pieces]))
                done.append((batch, self.forward.run(batch, start)))
                self.counts.passes += 1
            except Exception as error:
                for piece, records in lengths.items():
                    for at, length in records.items():
                        del piece.records[at][length:]
                if len(group) > 1:
                    groups = [[piece] for piece in group] + groups
                else:
                    pieces[group[0]].end(error=_fault(error))
        return done

    def _take(self, batch: Pass, logits: Tensor, pieces: dict[Piece, Row]) -> None:
        """Give each row what the pass found: scores of forced tokens, and a chosen token."""
        choosing: list[tuple[Row, int]] = []
        at = 0
        for piece in batch.pieces:
            row, known = pieces[piece], len(pieces[piece].known)
            row.computed = piece.end
            index = dict(zip(piece.wanted, range(at, at + len(piece.wanted)), strict=True))
            at += len(piece.wanted)
            first = row.prompt_len - 1
            if row.wants_distribution and first in index:
                row.distribution = torch.log_softmax(logits[index[first]], dim=-1).cpu()
            forced = [
                position for position in range(max(piece.start, first), piece.end) if position + 1 < known
            ]
            scores = self._scores(row, forced, index, logits)
            for position, score in zip(forced, scores, strict=True):
                if not row.finished:
                    valid = score is None or np.isfinite(score)
                    row.accept(row.known[position + 1] if valid else None, self.eos_ids, score)
            if known - 1 in index and not row.finished:
                choosing.append((row, index[known - 1]))
        if choosing:
            self._choose([row for row, _ in choosing], logits[[index for _, index in choosing]])

    def _scores(
        self, row: Row, forced: Sequence[int], index: dict[int, int], logits: Tensor
    ) -> Sequence[float | None]:
        """Log-probabilities of the tokens after the positions `forced`, if the row asks for them."""
        if not (row.sampling.logprobs and forced):
            return [None] * len(forced)
        rows = logits[[index[position] for position in forced]]
        tokens = torch.tensor([row.known[position + 1] for position in forced], device=logits.device)
        return _logprobs(rows, tokens)

    def _choose(self, rows: Sequence[Row], logits: Tensor) -> None:
        tokens = choose([row.sampler for row in rows], logits)
        scored = [i for i, row in enumerate(rows) if row.sampling.logprobs and tokens[i] is not None]
        scores: dict[int, float] = {}
        if scored:
            chosen = torch.tensor([tokens[i] for i in scored], device=logits.device)
            scores = dict(zip(scored, _logprobs(logits[scored], chosen), strict=True))
        for i, row in enumerate(rows):
            row.accept(tokens[i], self.eos_ids, scores.get(i))
            self.counts.new_tokens += 1


def _logprobs(logits: Tensor, tokens: Tensor) -> list[float]:
    """Natural log-probability of each row's token, for logits [rows, vocab]."""
    values = torch.log_softmax(logits, dim=-1).gather(1, tokens.unsqueeze(1))
    found: list[float] = values.flatten().tolist()
    return found


def _steering(row: Row) -> RowSteering | None:
    """What steers the tokens that `row` shares; one from the first new token on does not reach them."""
    return row.steering if row.steering and row.steering.start == 0 else None


def _shareable(row: Row) -> NDArray[np.int64]:
    whole = row.steering is None or row.steering.start == 0
    return np.array(row.known if whole else row.known[: row.prompt_len], dtype=np.int64)


def _depth(row: Row, n_layers: int) -> int:
    """The first block after which the row's own steering changes it."""
    steering = _steering(row)
    return steering.layer if steering else n_layers


def _first(pieces: Sequence[Tensor], tokens: int) -> Tensor:
    whole = pieces[0] if len(pieces) == 1 else torch.cat(list(pieces))
    return whole[:tokens]


def _fault(error: Exception) -> Exception:
    if isinstance(error, VectorsError):
        return error
    fault = GenerationFault(f"the forward pass failed: {type(error).__name__}: {error}")
    fault.__cause__ = error
    return fault
