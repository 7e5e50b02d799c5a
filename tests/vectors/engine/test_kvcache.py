"""The arena of the cache: blocks never overlap, are aligned and merge back; copies copy what they say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vectors.engine.kvcache import MIN_BLOCK, Block, KeyValueCache

TOKENS, LAYERS, HEADS, DIM = 2048, 3, 2, 4


def cache(tokens=TOKENS):
    return KeyValueCache([(HEADS, DIM)] * LAYERS, tokens, torch.float32, torch.device("cpu"))


class Arena(RuleBasedStateMachine):
    """Blocks come and go at random."""

    def __init__(self):
        super().__init__()
        self.cache = cache()
        self.held = {}

    def parts(self, block):
        """What every layer holds in a block."""
        each = (*self.cache.keys, *self.cache.values)
        return [self.cache.view(part, block, 1, block.capacity) for part in each]

    @rule(tokens=st.one_of(st.integers(1, 200), st.integers(1, TOKENS + 1)))
    def allocate(self, tokens):
        block = self.cache.allocate(tokens)
        if block is None:
            wanted = max(tokens, MIN_BLOCK)
            starts = range(0, TOKENS, 1 << (wanted - 1).bit_length())
            taken = {at for each in self.held for at in range(each.start, each.start + each.capacity)}
            assert tokens > TOKENS or all(
                taken & set(range(start, start + (1 << (wanted - 1).bit_length()))) for start in starts
            )
            return
        assert max(tokens, MIN_BLOCK) <= block.capacity < 2 * max(tokens, MIN_BLOCK)
        assert block.start % block.capacity == 0
        assert 0 <= block.start <= TOKENS - block.capacity
        number = float(len(self.held) + 1)
        for part in self.parts(block):
            assert torch.isfinite(part).all()
            part.fill_(number)
        self.held[block] = number

    @precondition(lambda self: self.held)
    @rule(data=st.data(), finite=st.booleans())
    def free(self, data, finite):
        block = data.draw(st.sampled_from(sorted(self.held)))
        if not finite:
            self.parts(block)[0].fill_(torch.nan)
        self.cache.free(block, clear=not finite)
        del self.held[block]

    @invariant()
    def what_is_used_is_what_is_held(self):
        assert self.cache.used == sum(block.capacity for block in self.held)

    @invariant()
    def no_block_was_written_through_another(self):
        for block, number in self.held.items():
            assert all((part == number).all() for part in self.parts(block))

    def teardown(self):
        for block in self.held:
            self.cache.free(block)
        assert self.cache.used == 0
        assert self.cache.allocate(TOKENS) == Block(TOKENS, 0)


Arena.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
test_blocks_never_overlap_and_all_that_is_freed_merges_back = Arena.TestCase


@pytest.mark.parametrize(("asked", "tokens"), [(1, MIN_BLOCK), (64, 64), (1000, 1024), (1024, 1024)])
def test_the_size_is_the_next_power_of_two_and_never_less_than_a_block(asked, tokens):
    made = cache(asked)
    assert made.tokens == tokens
    assert made.allocate(asked) is not None


def filled(made, block, seed):
    """Write random keys and values to every token of a block; [layers, tokens, heads, dim]."""
    generator = torch.Generator().manual_seed(seed)
    positions = list(range(block.capacity))
    slots = made.slots([block] * block.capacity, positions, HEADS)
    keys, values = torch.randn(2, LAYERS, block.capacity, HEADS, DIM, generator=generator)
    for layer in range(LAYERS):
        made.write(layer, slots, keys[layer], values[layer])
    return keys, values


def test_what_is_written_to_a_slot_is_seen_in_the_view_of_its_block():
    made = cache()
    blocks = [made.allocate(size) for size in (64, 128, 64)]
    wanted = [filled(made, block, seed) for seed, block in enumerate(blocks)]
    for block, parts in zip(blocks, wanted, strict=True):
        for stored, part in zip((made.keys, made.values), parts, strict=True):
            for layer in range(LAYERS):
                (seen,) = made.view(stored[layer], block, 1, 50)
                assert torch.equal(seen, part[layer, :50].transpose(0, 1))


def test_neighbouring_blocks_are_one_view_in_their_order():
    made = cache()
    blocks = [made.allocate(64) for _ in range(4)]
    assert [block.start for block in blocks] == [0, 64, 128, 192]
    wanted = torch.stack([filled(made, block, seed)[0] for seed, block in enumerate(blocks)])
    for layer in range(LAYERS):
        seen = made.view(made.keys[layer], blocks[1], 3, 33)
        assert torch.equal(seen, wanted[1:, layer, :33].transpose(1, 2))


@given(tokens=st.integers(1, 64), layers=st.integers(1, LAYERS), sizes=st.permutations([64, 128, 512]))
def test_a_copy_copies_the_tokens_and_layers_asked_for_and_nothing_else(tokens, layers, sizes):
    made = cache()
    source, target, beside = (made.allocate(size) for size in sizes)
    written = filled(made, source, 1)
    others = filled(made, beside, 2)
    made.copy(source, target, tokens, layers)
    for stored, part, other in zip((made.keys, made.values), written, others, strict=True):
        for layer in range(LAYERS):
            (seen,) = made.view(stored[layer], target, 1, target.capacity)
            wanted = torch.zeros(HEADS, target.capacity, DIM)
            if layer < layers:
                wanted[:, :tokens] = part[layer, :tokens].transpose(0, 1)
            assert torch.equal(seen, wanted)
            for block, whole in ((source, part), (beside, other)):
                (kept,) = made.view(stored[layer], block, 1, block.capacity)
                assert torch.equal(kept, whole[layer].transpose(0, 1))


def test_a_copy_takes_layers_of_every_shape_along():
    made = KeyValueCache([(2, 4), (2, 4), (1, 6), (2, 4)], 512, torch.float32, torch.device("cpu"))
    source, target = made.allocate(64), made.allocate(128)
    parts = [*made.keys, *made.values]
    for number, part in enumerate(parts, 1):
        made.view(part, source, 1, 64).fill_(number)
    made.copy(source, target, 10, 3)
    for number, part in enumerate(parts, 1):
        seen = made.view(part, target, 1, 128)
        assert (seen[:, :, :10] == (0 if number in (4, 8) else number)).all()
        assert not seen[:, :, 10:].any()
