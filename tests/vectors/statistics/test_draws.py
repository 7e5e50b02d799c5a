from hypothesis import given
from hypothesis import strategies as st

from vectors.statistics.draws import drawn


@given(st.lists(st.integers(), unique=True, max_size=30), st.integers(0, 40), st.integers(0, 1000))
def test_some_are_drawn_once_each_and_keep_their_order(items, n, seed):
    some = drawn(items, n, seed)
    assert len(some) == min(n, len(items))
    assert some == [item for item in items if item in some]
    assert some == drawn(items, n, seed)


def test_each_item_is_as_likely_as_any_other():
    counts = [sum(item in drawn(range(10), 3, seed) for seed in range(2000)) for item in range(10)]
    assert all(500 < count < 700 for count in counts)
