"""One pass over pieces of many rows: each attends to its own past, at its own positions, and nothing else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vectors.engine.attention import Extra
from vectors.engine.kvcache import KeyValueCache
from vectors.engine.ragged import Pass, Piece
from vectors.steering.intervention import Intervention
from vectors.steering.positions import Layout
from vectors.steering.row_steering import RowSteering

HEADS, KV_HEADS, DIM, LAYERS = 6, 2, 8, 2
CPU = torch.device("cpu")


def cache():
    return KeyValueCache([(KV_HEADS, DIM)] * LAYERS, 2048, torch.float32, CPU)


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attention(queries, keys, values, start, scale, window, softcap=None, sinks=None, kv_heads=KV_HEADS):
    """By the book, one head and one token at a time: softmax(q·k)·v over what the token may see."""
    output = torch.empty_like(queries)
    for token in range(len(queries)):
        position = start + token
        first = 0 if window is None else max(0, position - window + 1)
        for head in range(HEADS):
            shared = head // (HEADS // kv_heads)
            seen = keys[first : position + 1, shared]
            scores = seen @ queries[token, head] * scale
            if softcap is not None:
                scores = softcap * torch.tanh(scores / softcap)
            if sinks is not None:
                scores = torch.cat([scores, sinks[head : head + 1]])
            weights = torch.softmax(scores, dim=0)[: len(seen)]
            output[token, head] = weights @ values[first : position + 1, shared]
    return output


class Rows:
    """Rows that grow by pieces through one cache, and what their keys and values have been so far."""

    def __init__(self, capacities):
        self.cache = cache()
        self.blocks = [self.cache.allocate(capacity) for capacity in capacities]
        self.past = [(torch.empty(0, KV_HEADS, DIM), torch.empty(0, KV_HEADS, DIM)) for _ in capacities]

    def grow(self, counts, seed, window, layer=1, extra=None):
        """Add `counts` tokens to the rows in one pass and compare what they attend to with the book."""
        rows = [row for row, count in enumerate(counts) if count]
        pieces = {
            Piece(self.blocks[row], len(self.past[row][0]), tuple(range(counts[row]))): row for row in rows
        }
        if not pieces:
            return
        batch = Pass(list(pieces), self.cache, CPU)
        total = len(batch.token_ids)
        queries, scale = random(total, HEADS, DIM, seed=seed), 0.4
        keys, values = (random(total, KV_HEADS, DIM, seed=seed + n) for n in (1000, 2000))
        found = batch.attend(layer, queries, keys, values, scale, window, extra)
        more = (extra.softcap, extra.sinks) if extra else ()
        for piece, tokens in batch.tokens_of():
            row = pieces[piece]
            before = len(self.past[row][0])
            self.past[row] = tuple(
                torch.cat([old, new[tokens]]) for old, new in zip(self.past[row], (keys, values), strict=True)
            )
            wanted = attention(queries[tokens], *self.past[row], before, scale, window, *more)
            torch.testing.assert_close(found[tokens], wanted, atol=1e-5, rtol=1e-5)


@settings(max_examples=40)
@given(
    capacities=st.lists(st.sampled_from([64, 64, 64, 128, 256]), min_size=1, max_size=5),
    window=st.sampled_from([None, 1, 3, 8, 100]),
    softcap=st.sampled_from([None, 0.5]),
    sinks=st.sampled_from([None, torch.linspace(-1, 2, HEADS)]),
    data=st.data(),
)
def test_every_token_attends_to_its_own_row_up_to_itself_within_its_window(
    capacities, window, softcap, sinks, data
):
    rows = Rows(capacities)
    extra = None if softcap is None and sinks is None else Extra(softcap, sinks)
    for step in range(data.draw(st.integers(1, 5))):
        counts = data.draw(
            st.lists(
                st.sampled_from([0, 1, 1, 1, 2, 5, 12]), min_size=len(capacities), max_size=len(capacities)
            )
        )
        rows.grow(counts, step, window, extra=extra)


def test_layers_may_differ_in_the_heads_of_their_keys_and_in_their_width():
    shapes = [(2, 8), (1, 24), (6, 4)]
    rows = KeyValueCache(shapes, 256, torch.float32, CPU)
    blocks = [rows.allocate(64), rows.allocate(128)]
    for layer, (heads, dim) in enumerate(shapes):
        past = [[torch.empty(0, heads, dim)] * 2 for _ in blocks]
        for step, counts in enumerate([(5, 9), (1, 1), (1, 3)]):
            starts = [len(keys) for keys, _ in past]
            pieces = [Piece(*each, range(count)) for *each, count in zip(blocks, starts, counts, strict=True)]
            batch = Pass(pieces, rows, CPU)
            queries = random(sum(counts), HEADS, dim, seed=step)
            made = [random(sum(counts), heads, dim, seed=seed + step) for seed in (10, 20)]
            found = batch.attend(layer, queries, *made, 0.4)
            for piece, tokens in batch.tokens_of():
                row = pieces.index(piece)
                past[row] = [torch.cat([old, new[tokens]]) for old, new in zip(past[row], made, strict=True)]
                shared = [each.repeat_interleave(HEADS // heads, dim=1) for each in past[row]]
                wanted = attention(queries[tokens], *shared, starts[row], 0.4, None, kv_heads=HEADS)
                torch.testing.assert_close(found[tokens], wanted, atol=1e-5, rtol=1e-5)


def test_decoding_rows_in_neighbouring_blocks_are_served_by_one_call_whatever_lies_in_between():
    rows = Rows([64, 64, 64, 128, 64])
    pieces = [Piece(block, 3 * n, (7,)) for n, block in enumerate(rows.blocks)]
    long = Piece(rows.cache.allocate(64), 0, (1, 2, 3))
    batch = Pass([long, *reversed(pieces)], rows.cache, CPU)
    assert [run.rows for run in batch._runs] == [4, 1, 1]
    assert [run.tokens for run in batch._runs] == [13, 10, 3]


def test_pieces_carry_their_wanted_positions_and_come_back_with_their_tokens():
    rows = cache()
    first = Piece(rows.allocate(64), 10, (5, 6, 7), wanted=(10, 12))
    second = Piece(rows.allocate(64), 4, (8,), wanted=(4,))
    third = Piece(rows.allocate(64), 0, (9, 9), wanted=())
    batch = Pass([first, second, third], rows, CPU)
    spans = dict(batch.tokens_of())
    for piece in (first, second, third):
        assert batch.token_ids[spans[piece]].tolist() == list(piece.token_ids)
        assert batch.positions[spans[piece]].tolist() == list(range(piece.start, piece.end))
    wanted = [spans[piece].start + at - piece.start for piece in batch.pieces for at in piece.wanted]
    assert batch.wanted.tolist() == wanted


@pytest.mark.parametrize("start", [0, 6])
def test_a_block_is_recorded_before_it_is_steered_and_only_for_pieces_that_ask(start):
    rows = cache()
    steering = RowSteering.of([Intervention(torch.ones(4), 1, 20.0)], Layout(9), CPU)
    records = {1: [], 3: []}
    asking = Piece(rows.allocate(64), start, (1, 2), steering, records=records)
    other = Piece(rows.allocate(64), start, (3, 4, 5), steering)
    batch = Pass([asking, other], rows, CPU)
    hidden = random(5, 4, seed=1)
    before = hidden.clone()
    steered = batch.after_block(1, hidden)
    tokens = dict(batch.tokens_of())[asking]
    assert torch.equal(steered, before + 10)
    assert len(records[1]) == 1 and torch.equal(records[1][0], before[tokens])
    assert records[3] == [] and other.records == {}
    assert [batch.touches(layer) for layer in range(4)] == [False, True, False, True]
