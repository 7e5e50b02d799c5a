"""Lists of interventions through the engine: each row is what a plain hook on transformers makes of it."""

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.engine.batches import bare, run
from tests.vectors.steering import draws, oracle
from tests.vectors.tiny import CONTEXT, LAYERS, WIDTH, byte_tokenizer, prompt, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.readings import StatesWanted
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import SteeringMismatch
from vectors.models.blocks import recording
from vectors.steering.intervention import Condition, Intervention, Probe
from vectors.steering.positions import (
    GENERATED,
    Generated,
    Last,
    Layout,
    Not,
    Prompt,
    Said,
    TokenIs,
    Turn,
    Window,
)

NEW = 5
NEAR = 1e-3
"""A reading or a choice as near as this is a tie, which rounding may decide either way."""


def norms(model):
    with recording(model) as captured, torch.no_grad():
        model(input_ids=torch.tensor([prompt(0, 16)]))
    return [float(captured[layer].norm(dim=-1).mean()) for layer in range(LAYERS)]


def layout_of(request, special=frozenset()):
    return Layout(len(request.prompt_ids), request.turns, special)


def requests_of(seed, model, rows):
    """Random rows, of which many begin alike."""
    draw = random.Random(seed)
    long, scale, made = prompt(seed % 7, 90), norms(model), []
    steerings = [draws.steering(draw, long, scale, WIDTH) for _ in range(3)]
    for _ in range(rows):
        shared = draw.choice([0, 33, 40, 80])
        ids = (*long[:shared], *prompt(draw.randrange(3), draw.randint(2, 9)))
        third = len(ids) // 3
        turns = (Turn("system", 1, third), Turn("user", third, 2 * third))
        steering = draw.choice([*steerings, draws.steering(draw, ids, scale, WIDTH)])
        made.append(GenerationRequest(ids, steering, Sampling(NEW), turns=turns))
    return made


def refused(engine, request):
    try:
        engine.submit(request).result(60)
    except SteeringMismatch:
        return True
    return False


def is_right(model, request, token_ids, special):
    """Whether tokens are the oracle's, up to a tie."""
    layout, found = layout_of(request, special), {}
    wanted, margins = oracle.greedy(model, request.prompt_ids, request.steering, layout, NEW, found)
    near = min(map(abs, found.values()), default=1.0) < NEAR
    for mine, theirs, margin in zip(token_ids, wanted, margins, strict=False):
        if margin < NEAR:
            return True
        if mine != theirs:
            return near
    return True


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), family=st.sampled_from(["llama", "gemma3"]))
def test_rows_of_any_lists_are_what_hooks_make_of_them_alone_together_and_after_one_another(seed, family):
    model = tiny_model(family)
    with Engine(model, byte_tokenizer(), max_rows=3, cache_tokens=2048) as engine:
        special = engine._intake._special_ids
        made = [each for each in requests_of(seed, bare(model), 6) if not refused(engine, each)]
        for batch in (made, made[::-1], made[:2]):
            for request, generation in zip(batch, run(engine, *batch), strict=True):
                assert is_right(bare(model), request, generation.token_ids, special)


def test_what_is_reused_of_lists_is_all_below_the_lowest_block_they_touch(qwen3):
    ids = prompt(3, 60)
    scale = norms(bare(qwen3))

    def request(*interventions):
        return GenerationRequest(ids, interventions, Sampling(NEW))

    def move(layer, **more):
        return Intervention(draws.vector(random.Random(layer), WIDTH), layer, scale[layer] / 2, **more)

    probe = Probe(draws.vector(random.Random(9), WIDTH), 1)
    with Engine(qwen3, byte_tokenizer()) as engine:

        def reused(each):
            before = engine.stats().done.reused_tokens
            (generation,) = run(engine, each)
            assert is_right(bare(qwen3), each, generation.token_ids, frozenset())
            return engine.stats().done.reused_tokens - before

        for layer in range(LAYERS):
            run(engine, replace(request(move(layer)), prompt_ids=prompt(5, 6)))
        run(engine, request())
        whole = len(ids) - 1
        for steering, depth in [
            ((move(2), move(3)), 3),
            ((move(3), move(1)), 2),
            ((move(3, positions=Window(40)), move(2, positions=Window(50))), 3),
            ((move(3, when=Condition(probe, True, 0.0)),), 2),
            ((move(0, positions=Last()), move(1, positions=GENERATED)), LAYERS),
            ((move(2), move(3)), LAYERS),
            ((move(3), move(2)), LAYERS),
        ]:
            assert reused(request(*steering)) == pytest.approx(whole * depth / LAYERS, abs=0.01), steering


def test_tokens_steered_alike_are_reused_whole_as_far_as_they_are(qwen3):
    ids = prompt(3, 90)
    steering = (Intervention(draws.vector(random.Random(1), WIDTH), 0, 5.0, positions=Window(0, 49)),)
    with Engine(qwen3, byte_tokenizer()) as engine:
        first = GenerationRequest(ids, steering, Sampling(NEW))
        longer = replace(first, steering=(replace(steering[0], positions=Window(0, 69)),))
        run(engine, first)
        (generation,) = run(engine, longer)
    assert generation.reused_tokens == 50
    assert is_right(bare(qwen3), longer, generation.token_ids, frozenset())


def test_a_generation_says_how_many_tokens_each_intervention_changed(model):
    ids = (7, *prompt(2, 9))
    vector = draws.vector(random.Random(1), WIDTH)
    never = Condition(Probe(vector, 0), above=True, threshold=1e9)
    always = replace(never, above=False)
    meant = [
        (Not(TokenIs(7)), None),
        (Window(-3, -1), None),
        (GENERATED, None),
        (Generated(1, 3), None),
        (Prompt(), always),
        (Prompt(), never),
    ]
    steering = [Intervention(vector, 1, 0.01, "add", each, when) for each, when in meant]
    request = GenerationRequest(ids, (*steering, replace(steering[0], alpha=0.0)), Sampling(NEW))
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        first, again = run(engine, request)[0], run(engine, request)[0]
    tokens = (*ids, *first.token_ids[:-1])
    assert first.steered_tokens == (sum(token != 7 for token in tokens), 3, NEW - 1, 2, len(ids), 0)
    assert again.steered_tokens == first.steered_tokens


def test_an_intervention_that_can_touch_no_token_is_refused(qwen3):
    good = Intervention(torch.ones(WIDTH), 1, 1.0)
    bad = replace(good, positions=Said("system"))
    with Engine(qwen3, byte_tokenizer()) as engine, pytest.raises(SteeringMismatch, match="touch no token"):
        engine.submit(GenerationRequest(prompt(1, 5), (good, bad), Sampling(2)))


@pytest.mark.parametrize(("positions", "tokens"), [(Window(50, 60), 0), (Prompt(), 5)])
def test_one_that_could_touch_tokens_tells_how_many_there_were(qwen3, positions, tokens):
    good = Intervention(torch.ones(WIDTH), 1, 1.0)
    request = GenerationRequest(prompt(1, 5), (good, replace(good, positions=positions)), Sampling(2))
    with Engine(qwen3, byte_tokenizer(), endless=True) as engine:
        assert run(engine, request)[0].steered_tokens == (6, tokens)


@pytest.mark.parametrize("family", ["llama", "gemma3"])
@pytest.mark.parametrize("with_prompt", [False, True])
def test_readings_are_what_the_blocks_put_out_whatever_was_reused(family, with_prompt):
    model = tiny_model(family)
    draw = random.Random(4)
    ids, probes = prompt(3, 50), tuple(Probe(draws.vector(draw, WIDTH), layer) for layer in (0, 2, 2))
    steering = (
        Intervention(draws.vector(draw, WIDTH), 1, 5.0),
        Intervention(draws.vector(draw, WIDTH), 2, 5.0),
    )
    request = GenerationRequest(
        ids,
        steering,
        Sampling(NEW),
        probes=probes,
        reads_prompt=with_prompt,
        states=StatesWanted((0, 3), Window(45)),
    )
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        for _ in range(2):
            run(engine, replace(request, probes=(), states=None))
        for _ in range(2):
            (generation,) = run(engine, request)
            tokens = (*ids, *generation.token_ids[:-1])
            with recording(bare(model)) as plain, torch.no_grad():
                oracle.logits_of(bare(model), tokens, (), Layout(len(ids)))
            streams = steered_streams(bare(model), tokens, steering, len(ids))
            start = 0 if with_prompt else len(ids) - 1
            for probe, found in zip(probes, generation.readings, strict=True):
                wanted = [oracle.reading(probe, h) for h in streams[probe.layer][start:]]
                torch.testing.assert_close(torch.tensor(found), torch.tensor(wanted), atol=1e-3, rtol=1e-3)
            assert generation.states.places == tuple(range(45, len(tokens)))
            for layer, kept in generation.states.by_layer.items():
                torch.testing.assert_close(kept, streams[layer][45:], atol=1e-3, rtol=1e-3)
            assert not torch.allclose(streams[2], plain[2].squeeze(0), atol=1e-3)


def steered_streams(model, ids, steering, prompt_len):
    """The residual streams [tokens, d_model] by layer, before the interventions there."""
    streams, handles = {}, []
    from vectors.models.blocks import decoder_blocks
    from vectors.models.residual import residual

    for layer, block in enumerate(decoder_blocks(model)):
        handles.append(
            block.register_forward_hook(
                lambda _block, _args, output, layer=layer: streams.update(
                    {layer: residual(output, 1)[0].clone()}
                )
            )
        )
    try:
        oracle.logits_of(model, ids, steering, Layout(prompt_len))
    finally:
        for handle in handles:
            handle.remove()
    return streams


def test_a_row_may_have_as_many_tokens_as_the_context_with_a_list_on_all(qwen3):
    draw = random.Random(2)
    scale = norms(bare(qwen3))
    ids = prompt(1, CONTEXT - NEW)
    steering = draws.steering(draw, ids, scale, WIDTH, most=4)
    with Engine(qwen3, byte_tokenizer(), endless=True) as engine:
        assert run(engine, GenerationRequest(ids, steering, Sampling(NEW)))[0].new_tokens == NEW
