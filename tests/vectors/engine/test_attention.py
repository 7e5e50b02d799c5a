"""Attention by products, as bfloat16 has it on a processor, gives what its definition gives, rounded."""

import pytest
import torch

from vectors.engine.attention import _MANY_READ, _MANY_SCORES, Scratch, attend_piece, attend_rows

KV_HEADS, GROUP, DIM = 2, 3, 64
ROUNDING = 0.02  # of values of size 1, after scores of size 3 were rounded to eight bits


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def by_the_book(queries, keys, values, seen, scale):
    """softmax(q·kᵀ)·v in float64: queries [..., asking, dim], keys and values [..., tokens, dim]."""
    scores = queries.double() @ keys.double().transpose(-1, -2) * scale
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ values.double()


def as_mask(seen):
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, -torch.inf)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("share", [0.1, 1.5], ids=["few", "many"])
def test_rows_of_different_lengths_attend_to_their_own_past(rows, share):
    tokens = int(_MANY_READ * share) // rows
    queries = random(rows, KV_HEADS, GROUP, DIM, seed=1)
    keys, values = (random(rows, KV_HEADS, tokens + 9, DIM, seed=seed)[:, :, :tokens] for seed in (2, 3))
    lengths = torch.tensor([tokens - 7 * row for row in range(rows)]).view(-1, 1, 1, 1)
    seen = torch.arange(tokens).view(1, 1, 1, -1) < lengths
    mask = as_mask(seen) if rows > 1 else None
    found = attend_rows(queries, keys, values, mask, DIM**-0.5)
    assert found.shape == queries.shape
    torch.testing.assert_close(
        found.double(), by_the_book(queries, keys, values, seen, DIM**-0.5), atol=ROUNDING, rtol=0
    )


@pytest.mark.parametrize("tokens", [7, 200])
@pytest.mark.parametrize("before", [0, 300])
def test_each_token_of_a_piece_attends_to_the_past_up_to_itself(tokens, before):
    past, scratch = before + tokens, Scratch()
    assert (_MANY_SCORES <= 200 * 200) and (_MANY_SCORES > 7 * 307), "both ways are tested"
    keys, values = (random(KV_HEADS, past, DIM, seed=seed) for seed in (2, 3))
    seen = torch.arange(past) <= torch.arange(before, past).unsqueeze(1)
    for seed in (1, 4):  # the second finds the first one's scores in the scratch memory
        queries = random(tokens, KV_HEADS, GROUP, DIM, seed=seed)
        mask = as_mask(seen) if before else None
        found = attend_piece(queries, keys, values, mask, DIM**-0.5, scratch)
        book = by_the_book(
            queries.permute(1, 2, 0, 3), keys.unsqueeze(1), values.unsqueeze(1), seen, DIM**-0.5
        )
        torch.testing.assert_close(found.double(), book.permute(2, 0, 1, 3), atol=ROUNDING, rtol=0)
