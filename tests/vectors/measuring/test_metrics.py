"""What is measured is what it says: against plain forward passes and hand-made answers on tiny models."""

import pytest
import torch

from tests.vectors import tiny
from vectors.engine.sampling import Sampling
from vectors.errors import CertificateError
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import METRICS, Guard, Observation

TEXT, NEUTRAL = tiny.prompt(1, 6), tiny.prompt(2, 9)


def scored(situation=0, neutral=NEUTRAL):
    return Observation(situation, tiny.prompt(10 + situation, 12), TEXT, neutral)


def answered(index, **fields):
    sampling = Sampling(8, temperature=1.0, seed=index)
    return Observation(index % 2, tiny.prompt(20 + index % 2, 10), sampling=sampling, **fields)


def mean_logprob(model, prompt, text):
    ids = torch.tensor([[*prompt, *text]])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1)
    picked = logprobs.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0]
    return float(picked.mean())


def test_likelihood_is_that_of_the_text_less_that_of_the_neutral_one_per_token(qwen3, engine):
    each = scored()
    expected = mean_logprob(qwen3, each.prompt_ids, TEXT) - mean_logprob(qwen3, each.prompt_ids, NEUTRAL)
    assert METRICS["likelihood"](engine, [each], [()]) == [pytest.approx([expected], abs=1e-4)]
    alone = scored(neutral=())
    assert METRICS["gold"](engine, [alone], [()]) == [
        pytest.approx([mean_logprob(qwen3, alone.prompt_ids, TEXT)], abs=1e-4)
    ]


def test_steering_reaches_what_is_measured(qwen3, engine):
    observations = [scored(i) for i in range(3)]
    steerings = [(), tiny.steer(qwen3, 2, 0.8)]
    bare, steered = METRICS["likelihood"](engine, observations, steerings)
    assert all(abs(a - b) > 1e-3 for a, b in zip(bare, steered, strict=True))


@pytest.mark.parametrize("metric", ["validity", "keywords", "degeneration"])
def test_generated_answers_are_paired_by_their_seed(engine, metric):
    observations = [
        answered(i, valid=lambda text: "a" in text.lower(), keywords=("a", "e")) for i in range(6)
    ]
    (first,) = METRICS[metric](engine, observations, [()])
    assert METRICS[metric](engine, observations[::-1], [()]) == [first[::-1]]
    assert all(value >= 0 for value in first)


def test_validity_asks_the_observation_and_refuses_one_that_cannot_say(engine):
    heard = []

    def valid(text):
        heard.append(text)
        return len(heard) % 2 == 1

    assert METRICS["validity"](engine, [answered(0, valid=valid), answered(1, valid=valid)], [()]) == [[1, 0]]
    assert len(heard) == 2
    with pytest.raises(CertificateError, match="valid"):
        METRICS["validity"](engine, [answered(0)], [()])


def test_tokens_count_every_forward_pass_of_a_measurement():
    assert scored().tokens == 2 * 12 + 6 + 9
    assert scored(neutral=()).tokens == 12 + 6
    assert answered(0).tokens == 10 + 8


def test_the_guard_sees_no_harm_in_what_changes_nothing_and_harm_in_a_loop(qwen3, engine):
    greedy = [Observation(i, tiny.prompt(30 + i, 10), sampling=Sampling(24, stop=())) for i in range(4)]
    guard = Guard(engine, greedy, Journal())
    still = guard.watch(*tiny.steer(qwen3, 2, 1e-6))
    assert (still.changed, still.steered) == (0, still.unsteered)
    assert still.kl_bits == pytest.approx(0, abs=1e-5)
    assert not still.harmful
    pushed = guard.watch(*tiny.steer(qwen3, 3, 60.0))
    assert pushed.changed == 1
    assert pushed.kl_bits > 0.1
    assert pushed.harmful
    assert guard.tokens == 4 * sum(each.tokens for each in greedy)
