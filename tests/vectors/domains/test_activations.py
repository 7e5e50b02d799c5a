"""The residual stream as it is read for vectors, controls and dictionaries, beside hooks written by hand."""

from itertools import count, islice

import pytest
import torch

from tests.vectors import folders, tiny
from vectors.domains.activations import Passage, pooled, residuals
from vectors.errors import InvalidRequest, SteeringMismatch


def by_hand(lm, token_ids):
    """The oracle: [tokens, n_layers, d_model] of one passage, alone in its pass, from plain hooks."""
    blocks = lm.model.transformer.h if hasattr(lm.model, "transformer") else lm.model.model.layers
    seen = []

    def hook(_block, _args, output):
        seen.append((output[0] if isinstance(output, tuple) else output)[0])

    handles = [block.register_forward_hook(hook) for block in blocks]
    with torch.no_grad():
        lm.model(input_ids=torch.tensor([list(token_ids)]))
    for handle in handles:
        handle.remove()
    return torch.stack(seen, dim=1)


def passages(n):
    lengths = [3 + 7 * number % 23 for number in range(n)]
    tokens = [tiny.prompt(number, length) for number, length in enumerate(lengths)]
    return [Passage(ids, range(number % 3, len(ids))) for number, ids in enumerate(tokens)]


def test_every_chosen_token_has_the_residuals_that_it_has_alone(lm):
    given = passages(11)
    found = dict(residuals(lm.model, given, batch_size=4))
    assert sorted(found) == list(range(11))
    for number, passage in enumerate(given):
        wanted = by_hand(lm, passage.token_ids)[list(passage.positions)]
        assert found[number].shape == (len(passage.positions), lm.n_layers, lm.d_model)
        torch.testing.assert_close(found[number], wanted, rtol=1e-3, atol=1e-4)


def test_positions_and_layers_come_in_the_order_in_which_they_are_asked_for(llama):
    ids = tiny.prompt(0, 9)
    [(_, some)] = residuals(llama.model, [Passage(ids, [7, 0, 2])], layers=[2, 0])
    torch.testing.assert_close(some, by_hand(llama, ids)[[7, 0, 2]][:, [2, 0]], rtol=1e-3, atol=1e-4)


def test_a_stream_without_an_end_is_read_as_it_is_asked_for(llama):
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield Passage(tiny.prompt(number, 4), [3])

    first = [number for number, _ in islice(residuals(llama.model, endless(), batch_size=2), 32)]
    assert sorted(first) == list(range(32))
    assert len(taken) == 32


def test_what_is_read_may_be_trained_on_and_is_float32_whatever_the_model_is(tmp_path):
    lm = folders.language_model(tmp_path, "llama", folders.CHATML)
    lm.model.to(torch.bfloat16)
    [(_, hidden)] = residuals(lm.model, passages(1))
    assert hidden.dtype == torch.float32
    weight = torch.ones(lm.d_model, requires_grad=True)
    (hidden @ weight).sum().backward()
    assert weight.grad is not None


def test_a_reader_that_is_left_early_leaves_no_hook_behind(llama):
    reader = residuals(llama.model, passages(8), batch_size=2)
    next(reader)
    assert not any(module._forward_hooks for module in llama.model.modules())


@pytest.mark.parametrize("positions", [[], [4], [-1], range(2, 9)])
def test_positions_that_a_passage_does_not_have_are_refused(positions):
    with pytest.raises(InvalidRequest, match="one or more of the 4"):
        Passage([1, 2, 3, 4], positions)


def test_a_block_that_does_not_exist_is_refused(llama):
    with pytest.raises(SteeringMismatch, match="layer 9 does not exist"):
        next(residuals(llama.model, passages(1), layers=[9]))


@pytest.mark.parametrize("token", ["last", "mean"])
def test_texts_are_pooled_over_their_content_in_the_order_given(llama, token):
    texts = ["a long text, read first", "short", "another that is longer than the others"]
    found = pooled(llama, texts, token, batch_size=2)
    every = []
    for number, text in enumerate(texts):
        passage = Passage.content(llama.chat, text)
        assert llama.tokenizer.decode(passage.token_ids[passage.positions[0] :]) == text
        content = by_hand(llama, passage.token_ids)[list(passage.positions)]
        every.append(content)
        wanted = content[-1] if token == "last" else content.mean(0)
        torch.testing.assert_close(found.residuals[number], wanted, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.norms, torch.cat(every).norm(dim=-1).mean(0))
