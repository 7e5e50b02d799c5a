"""Rows with a budget of tokens: each token is the one that Bayes' rule picks, in any batch."""

import math
from dataclasses import replace

import pytest
import torch

from tests.vectors import folders
from vectors.engine.budget import Budget, LengthHead, Ramp
from vectors.engine.constraint import Constraint
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest
from vectors.steering.intervention import Intervention

LAYER = 2
PROMPTS = [(5, 6, 7, 8), (9, 10, 11), (12, 13, 14, 15, 16)]


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)


@pytest.fixture(scope="module")
def engine(lm):
    with Engine(lm.model, lm.tokenizer, max_rows=8) as engine:
        yield engine


@pytest.fixture(scope="module")
def head(lm):
    """A head of random directions."""
    torch.manual_seed(3)
    vocab = lm.model.get_input_embeddings().weight.shape[0]
    directions = torch.randn(2 + 2 * 4, lm.d_model) / math.sqrt(lm.d_model)
    return LengthHead(LAYER, directions, torch.full((10,), 0.5), torch.randn(vocab, 4))


def asked(engine, *requests):
    return [ticket.result() for ticket in engine.submit_all(list(requests))]


def guided(head, tokens, prompt=PROMPTS[0], **sampling):
    return GenerationRequest(prompt, sampling=Sampling(24, budget=Budget(tokens, head), **sampling))


@pytest.mark.parametrize("budget", [1, 2, 5, 9])
def test_no_answer_is_longer_than_its_budget_and_the_last_token_ends_it(engine, lm, head, budget):
    for sampling in ({}, {"temperature": 1.0, "seed": 4}):
        (found,) = asked(engine, guided(head, budget, **sampling))
        assert len(found.token_ids) <= budget
        assert found.finish_reason == "stop"


def test_each_token_is_the_likeliest_once_weighed_by_the_chance_to_end_in_time(engine, lm, head):
    """Against the model itself, a token at a time and over the whole vocabulary."""
    budget, ids, ends = 7, list(PROMPTS[0]), {lm.tokenizer.eos_token_id}
    ends |= {lm.chat.end_of_turn_id} - {None}
    for number in range(budget):
        with torch.no_grad():
            seen = {}
            block = lm.model.model.layers[LAYER]
            hook = block.register_forward_hook(
                lambda _m, _i, out, seen=seen: seen.update(
                    h=(out[0] if isinstance(out, tuple) else out)[0, -1]
                    if (out[0] if isinstance(out, tuple) else out).dim() == 3
                    else (out[0] if isinstance(out, tuple) else out)[-1]
                )
            )
            logits = lm.model(torch.tensor([ids])).logits[0, -1].float()
            hook.remove()
        x = seen["h"].float()
        x = x / x.norm() * math.sqrt(len(x))
        f = head.directions @ x + head.offsets
        alpha = torch.nn.functional.softplus(f[0] + head.tokens @ f[2:6]) + 1e-3
        rate = torch.nn.functional.softplus(f[1] + head.tokens @ f[6:]) + 1e-3
        room = budget - number - 1
        chance = torch.special.gammainc(alpha, rate * math.log(room + 1)) if room else torch.zeros_like(alpha)
        chance[list(ends)] = 1.0
        ids.append(int((logits.log_softmax(-1) + chance.log()).argmax()))
        if ids[-1] in ends:
            break
    (found,) = asked(engine, guided(head, budget))
    assert list(found.token_ids) == ids[len(PROMPTS[0]) :]


def test_rows_with_budgets_constraints_and_steering_are_in_a_batch_what_they_are_alone(engine, lm, head):
    steering = (Intervention(torch.randn(lm.d_model), 1, 2.0),)
    requests = [
        guided(head, 6),
        GenerationRequest(PROMPTS[1], sampling=Sampling(8)),
        replace(guided(head, 9, PROMPTS[2]), steering=steering),
        guided(head, 9, PROMPTS[1], constraint=Constraint("regex", "[a-z ]{3,40}")),
        GenerationRequest(PROMPTS[0], sampling=Sampling(12, budget=Ramp(6))),
        guided(head, 8, temperature=0.9, seed=11),
    ]
    together = [each.token_ids for each in asked(engine, *requests)]
    alone = []
    for request in requests:
        engine.forget()
        alone.append(asked(engine, request)[0].token_ids)
    assert together == alone


def test_a_budget_gives_way_to_a_constraint_that_allows_no_end(engine, head):
    (found,) = asked(engine, guided(head, 2, constraint=Constraint("regex", "[a-z]{12}")))
    assert len(found.text) == 12


def test_a_ramp_raises_the_end_more_and_more_and_decides_past_the_budget(engine):
    lengths = [
        len(
            asked(engine, GenerationRequest(PROMPTS[0], sampling=Sampling(200, budget=Ramp(tokens))))[
                0
            ].token_ids
        )
        for tokens in (1, 4, 16)
    ]
    assert lengths == sorted(lengths)


def test_a_head_of_another_model_and_a_budget_of_nothing_are_refused(engine, head):
    for other in (
        replace(head, layer=99),
        replace(head, directions=head.directions[:, :-1]),
        replace(head, tokens=head.tokens[:-1]),
    ):
        with pytest.raises(InvalidRequest, match="another model"):
            engine.submit(guided(other, 5))
    with pytest.raises(InvalidRequest, match="at least 1"):
        Budget(0, head)
