"""Which rows run, and what each forward pass holds: continuous batching on one thread.

Each pass takes the newest token of every decoding row and, up to a budget, pieces of prompts in order of
arrival, so that a long prompt stalls nobody, unless the model needs it whole. A row has its whole block from
the start: once admitted it never waits for memory. Rows that could soon reuse what another row is computing
wait for it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vectors.engine.forward_protocol import Forward
from vectors.engine.kvcache import Block, KeyValueCache
from vectors.engine.memory import trim
from vectors.engine.prefixes import MIN_TOKENS, Prefix
from vectors.engine.ragged import Pass, Piece
from vectors.engine.results import distribute
from vectors.engine.row import Row
from vectors.engine.sharing import Running, Sharing
from vectors.engine.twins import held, stretch, through
from vectors.errors import VectorsError, generation_fault, without_frames

_PROMPT_TOKENS = 256
"""Prompt tokens of one pass: enough to use the processor fully, few enough not to stall decoding rows."""
_LOGITS = 1 << 24
"""Logits of one pass, whatever the vocabulary: 64 MiB, which are held several times over."""
_FEW = 2
"""Rows that run at most where one may draft: of four together the slowest is done no sooner."""
_LOOKED_AT = 64
"""Waiting rows that are compared with what could be reused: to look at thousands would stall the others."""


@dataclass
class Counts:
    """What has been done so far.

    `pieces` are rows in a pass, summed over the passes, and `pass_seconds` the wall time inside the model.
    `computed_tokens` are of prompts and answers; like `reused_tokens` they are weighted by their share of
    the blocks. Of the `new_tokens`, so many were `accepted` of those that were `drafted`: each saved a row a
    pass.
    """

    rows: int = 0
    passes: int = 0
    pieces: int = 0
    pass_seconds: float = 0.0
    computed_tokens: float = 0.0
    prompt_tokens: int = 0
    reused_tokens: float = 0.0
    new_tokens: int = 0
    drafted: int = 0
    accepted: int = 0


@dataclass
class Scheduler:
    """Rows that run, on the cache and the prefixes they share.

    With `drafts` rows try what they may go on with, where passes of many tokens give what those of one give.
    """

    forward: Forward
    cache: KeyValueCache
    sharing: Sharing
    eos_ids: frozenset[int]
    max_rows: int
    vocabulary: int
    device: torch.device
    drafts: bool = False
    counts: Counts = field(default_factory=Counts)
    _running: list[Running] = field(default_factory=list)
    _untrimmed: int = 0

    @property
    def rows(self) -> list[Row]:
        """The rows that run."""
        return [running.row for running in self._running]

    def admit(self, waiting: list[Row]) -> None:
        """Take rows from `waiting`, in order of arrival, while there is room."""
        ahead = waiting[:_LOOKED_AT]
        for row in list(ahead):
            if len(self._running) >= self.max_rows:
                return
            if row not in ahead:
                continue
            first = self.sharing.leader(row, ahead, self._running)
            match = self.sharing.match(first, self._running)
            if self.sharing.worth_waiting(first, match, self._running):
                continue
            together = [first.twin, first] if first.twin else [first]
            blocks = self._allocate_all(together) if self._fit(together) else None
            if blocks is None:
                return  # nobody overtakes a row that waits for room
            ahead.remove(first)
            waiting.remove(first)
            for each, block in zip(together, blocks, strict=True):
                self._start(each, block)

    def step(self) -> list[Row]:
        """Run what is due and return the rows that have finished."""
        for row in self.rows:
            if row.cancelled and not row.finished:
                row.end("cancelled")
        self._run_resumed()
        self._run_newest()
        for row in self.rows:
            if row.leads is not None:
                if row.error is not None:
                    row.leads.end(error=row.error)
                if through(row.leads):
                    row.end("cancelled")
        finished = [running for running in self._running if through(running.row)]
        self._running = [running for running in self._running if not through(running.row)]
        for running in finished:
            self._release(running)
        return [running.row for running in finished if running.row.leads is None]

    def abandon(self, error: Exception | None = None) -> list[Row]:
        """End every row, cancelled or with an error, and return them."""
        for running in self._running:
            running.row.end(None if error else "cancelled", error)
        rows = [row for row in self.rows if row.leads is None]
        for running in self._running:
            self._release(running)
        self._running = []
        return rows

    def _fit(self, rows: Sequence[Row]) -> bool:
        return len(self._running) + len(rows) <= self.max_rows

    def _allocate_all(self, rows: Sequence[Row]) -> list[Block] | None:
        """A block for each, or none at all."""
        blocks: list[Block] = []
        for row in rows:
            block = self._allocate(row.prompt_len + row.sampling.max_new_tokens)
            if block is None:
                for each in blocks:
                    self.cache.free(each)
                return None
            blocks.append(block)
        return blocks

    def _allocate(self, tokens: int) -> Block | None:
        while (block := self.cache.allocate(tokens)) is None:
            if not self.sharing.prefixes.evict():
                return None
        return block

    def _start(self, row: Row, block: Block) -> None:
        match = self.sharing.match(row, self._running)  # again: allocating may have evicted a prefix
        row.block, row.started = block, time.perf_counter()
        n_layers = self.sharing.n_layers
        recorded = self.sharing.recorded_layers(row)
        if match is None:
            row.records = {layer: [] for layer in recorded}
        else:
            row.reused = tokens = match.tokens
            depth = n_layers if match.layer is None else match.layer + 1
            self.cache.copy(match.prefix.block, block, tokens, depth)
            known = match.prefix.records if tokens <= match.prefix.recorded else {}
            inherited = {layer: _first(made, tokens) for layer, made in known.items()}
            row.records = {layer: [inherited[layer]] for layer in recorded if layer in inherited}
            if match.layer is None:
                row.computed = tokens
                row.states = self.forward.copied(match.prefix.states) or {}
            else:
                row.resume = (match.layer, inherited[match.layer])
                row.records |= {layer: [] for layer in recorded if layer > match.layer}
            self.counts.reused_tokens += tokens * depth / n_layers
        prefix = Prefix(
            tokens=np.array(row.known, dtype=np.int64),
            owner=row.owner,
            public=row.public_tokens,
            block=block,
            touched=row.steering.touched(row.known),
            records=row.records,
            recorded=row.prompt_len,
        )
        self._running.append(Running(row, prefix))
        self.counts.rows += 1
        self.counts.prompt_tokens += row.prompt_len

    def _release(self, running: Running) -> None:
        """Leave the row's block to later rows, as far as they can use it."""
        row, prefix = running.row, running.prefix
        row.settle()
        records, row.records, row.resume = row.records, {}, None  # a ticket may be kept
        row.drafts.stop()
        known = row.known[: row.computed]
        prefix.tokens, prefix.touched = np.array(known, dtype=np.int64), row.steering.touched(known)
        unproven = row.error is not None or row.new_tokens == 0  # no logits have told that it is finite
        short = len(prefix.tokens) < MIN_TOKENS
        states = None if unproven or short else self.forward.copied(row.states)
        row.states = {}
        if states is None or (states and len(prefix.tokens) < row.computed):
            self.cache.free(prefix.block, clear=unproven)
            return
        prefix.states = states
        prefix.recorded = min(row.prompt_len, len(prefix.tokens))
        prefix.records = {layer: [_first(pieces, prefix.recorded)] for layer, pieces in records.items()}
        self.sharing.prefixes.keep(prefix)

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
            piece = Piece(row.block, row.resumed, tokens, row.steering, (), later, readings=row.readings)
            pieces[piece], hidden[piece] = row, row.resume[1][row.resumed : end]
        for batch, _ in self._runs(pieces, (layer, hidden)):
            for piece in batch.pieces:
                row = pieces[piece]
                row.resumed = piece.end
                if row.resumed == row.reused:
                    row.computed, row.resume = row.reused, None

    def _run_newest(self) -> None:
        """The newest token of each decoding row, and pieces of prompts."""
        budget, room = _PROMPT_TOKENS, max(self.max_rows, _LOGITS // self.vocabulary)
        pieces: dict[Piece, Row] = {}
        for row in self.rows:
            if row.finished or row.resume is not None:
                continue
            assert row.block is not None
            end = held(row, row.needed, stretch(self.vocabulary)) if self.forward.in_pieces else row.needed
            if not row.decoding:
                end = self._within(budget, row.computed, end)
                budget -= end - row.computed
            wanted = row.wanted(row.computed, end)
            if len(wanted) > room and self.forward.in_pieces:
                end, wanted = wanted[room], wanted[:room]
            row.reaches = end
            if end == row.computed:
                continue
            draft = self._draft(row)
            wanted += range(end, end + len(draft))
            room -= len(wanted)
            tokens = row.known[row.computed : end] + draft
            records = {} if row.decoding else row.records  # what was generated is seldom begun with again
            piece = Piece(
                row.block,
                row.computed,
                tokens,
                row.steering,
                wanted,
                records,
                row.states,
                row.readings,
                len(draft),
            )
            pieces[piece] = row
        for batch, logits in self._runs(pieces):
            chosen = distribute(batch, logits, pieces, self.eos_ids)
            self.counts.new_tokens += chosen.tokens
            self.counts.drafted += sum(piece.drafted for piece in batch.pieces)
            self.counts.accepted += chosen.drafted
            self._untrimmed += logits.numel()
            if self._untrimmed > 4 * _LOGITS:
                self._untrimmed = 0
                trim()

    def _draft(self, row: Row) -> list[int]:
        """What a row may go on with, where it pays to try that."""
        if not self.drafts or len(self._running) > _FEW or not row.draftable:
            return []
        return row.drafts.next(row.prompt_len + row.sampling.max_new_tokens - 1 - len(row.known))

    def _within(self, budget: int, computed: int, end: int) -> int:
        """How far a prompt comes in a pass with room for `budget` tokens of prompts."""
        if self.forward.in_pieces or budget <= 0:
            return min(end, computed + max(0, budget))
        return end

    def _runs(
        self, rows: Mapping[Piece, Row], resume: tuple[int, Mapping[Piece, Tensor]] | None = None
    ) -> Iterator[tuple[Pass, Tensor]]:
        """Run pieces in one pass; where that fails, each alone, so that a fault stays with its row."""
        groups = [list(rows)] if rows else []
        while groups:
            group = groups.pop(0)
            recorded = [(made, len(made)) for piece in group for made in piece.records.values()]
            states = [(piece.states, dict(piece.states)) for piece in group]
            try:
                batch = Pass(group, self.cache, self.device)
                start = resume and (resume[0], torch.cat([resume[1][piece] for piece in batch.pieces]))
                started = time.perf_counter()
                logits = self.forward.run(batch, start)
            except Exception as error:
                for made, length in recorded:
                    del made[length:]
                for changed, before in states:
                    changed.update(before)
                if len(group) > 1:
                    groups = [[piece] for piece in group]
                else:
                    known = isinstance(error, VectorsError)
                    failed = "the forward pass failed:"
                    rows[group[0]].end(
                        error=without_frames(error) if known else generation_fault(failed, error)
                    )
                continue
            self._count(batch, time.perf_counter() - started, blocks_done=start[0] + 1 if start else 0)
            yield batch, logits

    def _count(self, batch: Pass, seconds: float, blocks_done: int) -> None:
        tokens = sum(len(piece.token_ids) for piece in batch.pieces)
        self.counts.passes += 1
        self.counts.pieces += len(batch.pieces)
        self.counts.pass_seconds += seconds
        self.counts.computed_tokens += tokens * (1 - blocks_done / self.sharing.n_layers)


def _first(pieces: Sequence[Tensor], tokens: int) -> Tensor:
    whole = pieces[0] if len(pieces) == 1 else torch.cat(list(pieces))
    return whole[:tokens]
