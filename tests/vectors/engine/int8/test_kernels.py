"""Each step of a block against what it stands for, in whole numbers to the bit, in others nearly."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vectors.engine.int8.attending import GROUP, TOGETHER, attend
from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.lanes import LANES, exp, keep, reals
from vectors.engine.int8.products import PANEL, panels, product, product_of_two
from vectors.engine.int8.rows import add, gate, head_norm, norm, norm_in_two, rounded, turn

EPS = np.float32(1e-5)
WIDTH = 64


def aligned(array):
    memory = np.empty(array.nbytes + 64, np.int8)
    start = -memory.ctypes.data % 64
    memory[start : start + array.nbytes] = array.reshape(-1)
    return memory[start : start + array.nbytes]


def drawn(seed, rows, inputs, outputs):
    draw = np.random.default_rng(seed)
    weights = draw.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    q = draw.integers(0, 256, (rows, inputs)).astype(np.uint8)
    offsets = (128 * weights.sum(1, dtype=np.int64)).astype(np.int32)
    sums = (q.astype(np.int64) - 128) @ weights.T.astype(np.int64)
    return weights, q, offsets, sums


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 40), st.integers(1, 4), st.integers(1, 3))
def test_sums_are_exact_whatever_the_shape_and_however_panels_are_shared(
    seed, rows, quarters, columns, shares
):
    inputs, outputs = 4 * quarters, PANEL * columns
    weights, q, offsets, sums = drawn(seed, rows, inputs, outputs)
    room = rows if rows == 1 else -(-rows // 4) * 4
    bytes_in, scales = np.zeros((room, inputs), np.uint8), np.linspace(0.5, 2, outputs).astype(np.float32)
    bytes_in[:rows] = q
    s = np.linspace(1, 3, room).astype(np.float32)
    y = np.full((room, outputs), np.nan, np.float32)
    cuts = [columns * share // shares for share in range(shares + 1)]
    for first, last in pairwise(cuts):
        product(
            bytes_in.reshape(-1), s, rows, aligned(panels(weights)), 0, scales, offsets, 0, inputs, outputs,
            first, last, y.reshape(-1),
        )  # fmt: skip
    assert (y[:rows] == sums.astype(np.float32) * scales * s[:rows, None]).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_inputs_in_two_parts_are_254_times_as_fine(rows):
    weights, q, offsets, _ = drawn(3, 2 * rows, 32, PANEL)
    bytes_in = np.zeros((2 * (rows + rows % 2), 32), np.uint8)
    bytes_in[: 2 * rows] = q
    y, ones = np.zeros((rows, PANEL), np.float32), np.ones(PANEL, np.float32)
    product_of_two(
        bytes_in.reshape(-1), np.ones(rows + rows % 2, np.float32), rows, aligned(panels(weights)), 0, ones,
        offsets, 32, PANEL, 0, 1, y.reshape(-1),
    )  # fmt: skip
    inputs = q[0::2].astype(np.float64) - 128 + (q[1::2].astype(np.float64) - 128) / 254
    assert y == pytest.approx(inputs @ weights.T.astype(np.float64), rel=1e-6, abs=1e-2)


def rows_of(seed, rows, width=WIDTH):
    return (np.random.default_rng(seed).standard_normal((rows, width)) * 3).astype(np.float32)


def read(q, s):
    return (q.astype(np.float64) - 128) * s[:, None]


def test_norms_are_rounded_to_half_a_step():
    h, w = rows_of(1, 5), np.linspace(0.1, 4, WIDTH).astype(np.float32)
    q, s = np.zeros((5, WIDTH), np.uint8), np.zeros(5, np.float32)
    norm(h.reshape(-1), w, WIDTH, EPS, 0, 1, 5, q.reshape(-1), s)
    wanted = torch.rms_norm(torch.tensor(h), (WIDTH,), torch.tensor(w), float(EPS)).double().numpy()
    assert (np.abs(read(q, s) - wanted) <= s[:, None] * 0.501).all()
    two, fine = np.zeros((10, WIDTH), np.uint8), np.zeros(5, np.float32)
    norm_in_two(h.reshape(-1), w, WIDTH, EPS, 0, 1, 5, two.reshape(-1), fine)
    found = read(two[0::2], fine) + read(two[1::2], fine) / 254
    assert (np.abs(found - wanted) <= s[:, None] * 0.003).all()


def test_gates_are_silu_times_the_other_half():
    y, w = rows_of(2, 3, 2 * WIDTH), np.linspace(0.5, 2, WIDTH).astype(np.float32)
    halves = torch.tensor(y).double()
    wanted = (torch.nn.functional.silu(halves[:, :WIDTH]) * halves[:, WIDTH:] * torch.tensor(w)).numpy()
    q, s = np.zeros((3, WIDTH), np.uint8), np.zeros(3, np.float32)
    gate(y.reshape(-1), w, WIDTH, 0, 1, 3, q.reshape(-1), s)
    assert (np.abs(read(q, s) - wanted) <= s[:, None] * 0.501).all()


def test_a_row_of_zeros_stays_zeros():
    h, w = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
    q, s = np.zeros(WIDTH, np.uint8), np.zeros(1, np.float32)
    for step in (
        lambda: norm(h, w, WIDTH, EPS, 0, 1, 1, q, s),
        lambda: rounded(h, w, WIDTH, 0, 1, 1, q, s),
    ):
        step()
        assert (q == 128).all()


def test_sums_of_rows_and_the_norms_of_heads():
    h, y = rows_of(3, 4), rows_of(4, 4)
    wanted = h + y
    add(h.reshape(-1), y.reshape(-1), WIDTH, 0, 1, 4)
    assert (h == wanted).all()
    w = np.linspace(1, 2, 16).astype(np.float32)
    wanted = torch.rms_norm(torch.tensor(h[:, 16:48]).view(4, 2, 16), (16,), torch.tensor(w), float(EPS))
    head_norm(h.reshape(-1), WIDTH, 1, 3, 16, w, EPS, 0, 1, 4)
    assert h[:, 16:48] == pytest.approx(wanted.reshape(4, 32).numpy(), rel=1e-5, abs=1e-6)


@kernel
def e_to_each(numbers, found):
    for j in range(0, len(numbers), LANES):
        keep(exp(reals(numbers, j)), found, j)


def test_e_to_a_number():
    numbers = np.linspace(-87, 87, 4000).astype(np.float32)
    found = np.zeros_like(numbers)
    e_to_each(numbers, found)
    assert found == pytest.approx(np.exp(numbers.astype(np.float64)), rel=3e-7)
    numbers[:] = -3e38
    e_to_each(numbers, found)
    assert (found == 0).all()


@kernel
def product_and_sum(a, b, c, found):
    for j in range(len(found)):
        found[j] = a[j] * b[j] + c[j]


def test_numbers_are_rounded_as_written():
    a, b, c = rows_of(6, 3, 1000)
    found = np.zeros_like(a)
    product_and_sum(a, b, c, found)
    assert (found == a * b + c).all()


def row_steps(h, y, rows, first, step):
    """What all row by row steps make of some rows, one after another."""
    w, joint = np.linspace(0.1, 4, WIDTH).astype(np.float32), y.shape[1]
    q, s = np.zeros((6, rows, 2 * WIDTH), np.uint8), np.zeros((4, rows), np.float32)
    share = first, step, rows
    norm(h.reshape(-1), w, WIDTH, EPS, *share, q[0].reshape(-1), s[0])
    norm_in_two(h.reshape(-1), w, WIDTH, EPS, *share, q[1].reshape(-1), s[1])
    rounded(h.reshape(-1), w, WIDTH, *share, q[2].reshape(-1), s[2])
    head_norm(y.reshape(-1), joint, 1, 3, 16, w, EPS, *share)
    gate(y.reshape(-1), w, WIDTH, *share, q[3].reshape(-1), s[3])
    add(h.reshape(-1), q.astype(np.float32)[3].reshape(-1)[: h.size], WIDTH, *share)
    return q, s


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 3))
def test_a_row_gets_the_same_bits_alone_and_among_others_whichever_thread_it_falls_to(seed, rows, threads):
    h, y = rows_of(seed, rows), rows_of(seed + 1, rows, 2 * WIDTH)
    together = [h.copy(), y.copy()]
    shares = [row_steps(*together, rows, first, threads) for first in range(threads)]
    for row in range(rows):
        alone = [h[row : row + 1].copy(), y[row : row + 1].copy()]
        q, s = row_steps(*alone, 1, 0, 1)
        assert all((each[row] == its[0]).all() for each, its in zip(together, alone, strict=True))
        theirs_q, theirs_s = shares[row % threads]
        assert (theirs_s[:, row] == s[:, 0]).all()
        for step, width in enumerate([WIDTH, 2 * WIDTH, WIDTH, WIDTH]):
            flat = theirs_q[step].reshape(-1)[row * width : (row + 1) * width]
            assert (flat == q[step].reshape(-1)[:width]).all()


HEADS, KV_HEADS, DIM, CAPACITY = 6, 2, 32, 128


class Attended:
    """One row of so many tokens, turned and stored."""

    def __init__(self, tokens):
        joint = (HEADS + 2 * KV_HEADS) * DIM
        self.raw = rows_of(tokens, tokens, joint) / 3
        self.qkv = self.raw.copy()
        self.places = np.arange(tokens)
        self.starts, self.sizes = np.full(tokens, CAPACITY * KV_HEADS), np.full(tokens, CAPACITY)
        self.keys, self.values = (np.zeros(2 * KV_HEADS * CAPACITY * DIM, np.uint16) for _ in range(2))
        angles = np.outer(np.arange(CAPACITY), 1 / 10_000 ** (np.arange(DIM // 2) / (DIM // 2)))
        self.cos = np.tile(np.cos(angles), 2).astype(np.float32)
        self.sin = np.concatenate([-np.sin(angles), np.sin(angles)], 1).astype(np.float32)
        turn(
            self.qkv.reshape(-1), HEADS, KV_HEADS, DIM, np.float32(DIM**-0.5), self.cos.reshape(-1),
            self.sin.reshape(-1), self.places, self.starts, self.sizes, 0, 1, tokens, self.keys, self.values,
        )  # fmt: skip

    def seen(self, first, last, threads=1):
        rows, longest = last - first, CAPACITY
        found = np.full(rows * HEADS * DIM, np.nan, np.float32)
        scores, halves = (np.empty(TOGETHER * (longest + DIM), of) for of in (np.float32, np.uint16))
        of = slice(first, last)
        for me in range(threads):
            attend(
                self.qkv[of].reshape(-1), HEADS, KV_HEADS, DIM, self.places[of], self.starts[of],
                self.sizes[of], me, threads, rows, self.keys, self.values, scores, halves,
                longest, found,
            )  # fmt: skip
        return found.reshape(rows, HEADS, DIM)

    def wanted(self):
        raw = torch.tensor(self.raw).double().view(len(self.raw), -1, DIM)
        cos, sin = (torch.tensor(each[: len(raw)]).double().unsqueeze(1) for each in (self.cos, self.sin))
        turned = raw[:, : HEADS + KV_HEADS]
        turned = turned * cos + turned.roll(DIM // 2, -1) * sin
        heads = turned[:, :HEADS], turned[:, HEADS:], raw[:, HEADS + KV_HEADS :]
        queries, keys, values = (each.transpose(0, 1) for each in heads)
        return torch.nn.functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, enable_gqa=True
        ).transpose(0, 1)


def test_attention_is_that_of_a_causal_decoder():
    row = Attended(53)
    assert row.seen(0, 53) == pytest.approx(row.wanted().numpy(), rel=2e-2, abs=1e-2)


def test_attention_gives_a_token_the_same_bits_in_any_company():
    row = Attended(3 * GROUP + 5)
    whole = row.seen(0, len(row.raw))
    alone = np.concatenate([row.seen(place, place + 1) for place in range(len(row.raw))])
    cut = np.concatenate([row.seen(0, 18, threads=2), row.seen(18, len(row.raw), threads=3)])
    assert (whole == alone).all()
    assert (whole == cut).all()
