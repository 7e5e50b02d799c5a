"""Blocks of a decoder, one after another, by several threads that go from step to step together.

Every thread runs `work` with its own number: it takes its share of the rows, or of a product's panels, and
waits for the others before the next step. What a step computes is the same however many threads there are.
What it works on stands as addresses and sizes in a job, so that a thread needs nothing but that.
"""

import numpy as np
from numba import carray

from vectors.engine.int8.attending import TOGETHER, attend
from vectors.engine.int8.compiling import kernel
from vectors.engine.int8.meeting_place import change, count_up, give_way, pause, pointer, read, sleep, write
from vectors.engine.int8.products import PANEL, product, product_of_two
from vectors.engine.int8.rows import (
    Floats,
    Halves,
    Numbers,
    add,
    gate,
    head_norm,
    norm,
    norm_in_two,
    rounded,
    turn,
)

# The fields of a job. The first ones are how threads find one another; _HELD is how many numbers there are at
# an address of the kind.
STOP, ARRIVED, DONE, THREADS, KIND, ROWS, FIRST, LAST = range(8)
HEADS, KV_HEADS, DIM, WIDTH, INNER, VOCABULARY, HEAD_NORMS, LONGEST = range(10, 18)
FLOATS, WEIGHTS, HEAD_WEIGHTS, SCALES, OFFSETS, NORMS, HEAD_SCALES, HEAD_OFFSETS, HEAD_NORM = range(18, 27)
COS, SIN, POSITIONS, STARTS, SIZES, KEYS, VALUES, LAYERS, HIDDEN, Q, S, Y, SEEN = range(27, 40)
SCORES, HALVES, CACHED, LAYER_COUNT, HELD_POSITIONS = range(40, 45)
NUMBERS, STATES = 48, 64
SIZE = 80
MOST_HELPERS = 15
BLOCKS, LOGITS = 0, 1
IDLE, CALLED, WORKS, ASLEEP = 0, 1, 2, 3
"""Of a helper: it looks for work, is to work, works, or waits to be woken."""
_SPINS = 1 << 15


@kernel
def _meet(job: Numbers, threads: int, step: int) -> None:
    """Wait until all threads have come to the end of this step."""
    if threads == 1:
        return
    count_up(job, ARRIVED)
    spins = 0
    while read(job, ARRIVED) < step * threads:
        pause()
        spins += 1
        if spins > _SPINS:
            give_way()


@kernel
def _floats(job: Numbers, field: int, count: int) -> Floats:
    found: Floats = carray(pointer(job[field]), (count,), np.float32)
    return found


@kernel
def _halves(job: Numbers, field: int, count: int) -> Halves:
    found: Halves = carray(pointer(job[field]), (count,), np.uint16)
    return found


@kernel
def _numbers(job: Numbers, field: int, count: int) -> Numbers:
    found: Numbers = carray(pointer(job[field]), (count,), np.int64)
    return found


@kernel
def _blocks(job: Numbers, me: int, constants: Floats) -> None:
    threads, rows, eps, scale = job[THREADS], job[ROWS], constants[0], constants[1]
    heads, kv_heads, dim, width, inner = job[HEADS], job[KV_HEADS], job[DIM], job[WIDTH], job[INNER]
    room = rows if rows == 1 else (rows + 3) // 4 * 4
    asked = heads * dim
    joint = (heads + 2 * kv_heads) * dim
    count = job[LAYER_COUNT]
    layer_weights = width * joint + asked * width + 3 * width * inner
    layer_columns = joint + width + 2 * inner + width
    layer_norms = 2 * width + asked + inner + 2 * dim
    weights = carray(pointer(job[WEIGHTS]), (layer_weights * count,), np.int8)
    offsets = carray(pointer(job[OFFSETS]), (layer_columns * count,), np.int32)
    scales, norms = _floats(job, SCALES, layer_columns * count), _floats(job, NORMS, layer_norms * count)
    cos, sin = _floats(job, COS, dim * job[HELD_POSITIONS]), _floats(job, SIN, dim * job[HELD_POSITIONS])
    positions, starts, sizes = (
        _numbers(job, POSITIONS, rows),
        _numbers(job, STARTS, rows),
        _numbers(job, SIZES, rows),
    )
    keys, values = _halves(job, KEYS, job[CACHED]), _halves(job, VALUES, job[CACHED])
    layers = _numbers(job, LAYERS, count)
    h = _floats(job, HIDDEN, rows * width)
    q = carray(pointer(job[Q]), (room * max(inner, width, asked),), np.uint8)
    s, y = _floats(job, S, room), _floats(job, Y, room * max(joint, 2 * inner))
    seen = _floats(job, SEEN, rows * asked)
    own = TOGETHER * (job[LONGEST] + dim)
    scores = _floats(job, SCORES, threads * own)[own * me : own * (me + 1)]
    halves = _halves(job, HALVES, threads * own)[own * me : own * (me + 1)]
    step = 0
    for layer in range(job[FIRST], job[LAST]):
        w, c, n = layer * layer_weights, layer * layer_columns, layer * layer_norms
        norm(h, norms[n:], width, eps, me, threads, rows, q, s)
        step += 1
        _meet(job, threads, step)
        of = joint // PANEL
        a, b = of * me // threads, of * (me + 1) // threads
        product(q, s, rows, weights, w, scales, offsets, c, width, joint, a, b, y)
        w, c = w + width * joint, c + joint
        step += 1
        _meet(job, threads, step)
        if job[HEAD_NORMS]:
            own = n + 2 * width + asked + inner
            head_norm(y, joint, 0, heads, dim, norms[own:], eps, me, threads, rows)
            head_norm(y, joint, heads, heads + kv_heads, dim, norms[own + dim :], eps, me, threads, rows)
        turn(
            y, heads, kv_heads, dim, scale, cos, sin, positions, starts, sizes, me, threads, rows,
            keys[layers[layer] :], values[layers[layer] :],
        )  # fmt: skip
        step += 1
        _meet(job, threads, step)
        attend(
            y, heads, kv_heads, dim, positions, starts, sizes, me, threads, rows,
            keys[layers[layer] :], values[layers[layer] :], scores, halves, job[LONGEST], seen,
        )  # fmt: skip
        step += 1
        _meet(job, threads, step)
        rounded(seen, norms[n + 2 * width :], asked, me, threads, rows, q, s)
        step += 1
        _meet(job, threads, step)
        of = width // PANEL
        a, b = of * me // threads, of * (me + 1) // threads
        product(q, s, rows, weights, w, scales, offsets, c, asked, width, a, b, y)
        w, c = w + asked * width, c + width
        step += 1
        _meet(job, threads, step)
        add(h, y, width, me, threads, rows)
        norm(h, norms[n + width :], width, eps, me, threads, rows, q, s)
        step += 1
        _meet(job, threads, step)
        of = 2 * inner // PANEL
        a, b = of * me // threads, of * (me + 1) // threads
        product(q, s, rows, weights, w, scales, offsets, c, width, 2 * inner, a, b, y)
        w, c = w + 2 * width * inner, c + 2 * inner
        step += 1
        _meet(job, threads, step)
        gate(y, norms[n + 2 * width + asked :], inner, me, threads, rows, q, s)
        step += 1
        _meet(job, threads, step)
        of = width // PANEL
        a, b = of * me // threads, of * (me + 1) // threads
        product(q, s, rows, weights, w, scales, offsets, c, inner, width, a, b, y)
        step += 1
        _meet(job, threads, step)
        add(h, y, width, me, threads, rows)


@kernel
def _logits(job: Numbers, me: int, constants: Floats) -> None:
    threads, rows, eps = job[THREADS], job[ROWS], constants[0]
    width, vocabulary = job[WIDTH], job[VOCABULARY]
    room = (rows + 1) // 2 * 2
    weights = carray(pointer(job[HEAD_WEIGHTS]), (width * vocabulary,), np.int8)
    offsets = carray(pointer(job[HEAD_OFFSETS]), (vocabulary,), np.int32)
    scales, w = _floats(job, HEAD_SCALES, vocabulary), _floats(job, HEAD_NORM, width)
    h, s, y = _floats(job, HIDDEN, rows * width), _floats(job, S, room), _floats(job, Y, rows * vocabulary)
    q = carray(pointer(job[Q]), (2 * room * width,), np.uint8)
    norm_in_two(h, w, width, eps, me, threads, rows, q, s)
    _meet(job, threads, 1)
    of = vocabulary // PANEL
    a, b = of * me // threads, of * (me + 1) // threads
    product_of_two(q, s, rows, weights, 0, scales, offsets, width, vocabulary, a, b, y)


@kernel
def work(job: Numbers, me: int, constants: Floats) -> None:
    """A thread's share of a job. `constants` are the norms' epsilon and the attention's scale."""
    if job[KIND] == BLOCKS:
        _blocks(job, me, constants)
    else:
        _logits(job, me, constants)


@kernel
def lead(job: Numbers, constants: Floats, helpers: int) -> int:
    """Do a job with whichever of so many helpers are awake; returns how many are not."""
    write(job, ARRIVED, 0)
    write(job, DONE, 0)
    taken = 0
    for helper in range(helpers):
        job[NUMBERS + helper] = taken + 1
        if change(job, STATES + helper, IDLE, CALLED):
            taken += 1
    write(job, THREADS, taken + 1)
    for helper in range(helpers):
        change(job, STATES + helper, CALLED, WORKS)
    work(job, 0, constants)
    spins = 0
    while read(job, DONE) < taken:
        pause()
        spins += 1
        if spins > _SPINS:
            give_way()
    return helpers - taken


@kernel
def help_out(job: Numbers, helper: int, constants: Floats, patience: int) -> None:
    """Take part in jobs as they come, until none has come for `patience` looks that are some 50 µs apart."""
    looks = 0
    while True:
        if read(job, STATES + helper) == WORKS:
            looks = 0
            work(job, job[NUMBERS + helper], constants)
            write(job, STATES + helper, IDLE)
            count_up(job, DONE)
        elif read(job, STOP):
            return
        elif looks < _SPINS:
            looks += 1
            pause()
        elif looks < _SPINS + patience:
            looks += 1
            sleep(50)
        elif change(job, STATES + helper, IDLE, ASLEEP):
            return
