"""Steering as data: what a request may ask for, and that a pass steers those tokens and not one other."""

import math
import threading
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.engine.batches import ByHand, bare, grown, oracle_logits, run
from tests.vectors.tiny import LAYERS, WIDTH, byte_tokenizer, prompt, random_vector, steer, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import SteeringMismatch, SteeringNotApplied
from vectors.models.blocks import decoder_blocks, recording
from vectors.steering.intervention import Condition, Intervention, Probe
from vectors.steering.plan import Span, SteeringPlan
from vectors.steering.positions import ALL, GENERATED, Layout, Window
from vectors.steering.row_steering import RowSteering

CPU = torch.device("cpu")
IDS = prompt(1, 10)


def residuals(hand, *steerings, prompt_len=10):
    """The residual stream [layer][row] as later rows would be given it, and logits, of IDS once per steering.

    A record is what the block put out, before steering there; so the next block's shows what steering did.
    """
    pieces = []
    for steering in steerings:
        piece = hand.row(GenerationRequest(IDS[:prompt_len], steering, Sampling(16)))
        records = {layer: [] for layer in range(LAYERS)}
        pieces.append(replace(grown(piece, IDS), wanted=range(10), records=records))
    logits = hand.run(*pieces)
    for piece in pieces:
        hand.cache.free(piece.block)
    return [[piece.records[layer][0] for piece in pieces] for layer in range(LAYERS)], torch.stack(logits)


# --- the plan of a pass, by itself


@st.composite
def spans(draw):
    """Pieces of a pass, one after another: each with its own steering, places and number of tokens."""
    found, first = [], 0
    for number in range(draw(st.integers(1, 6))):
        steering = [
            Intervention(
                random_vector(10 * number + each, 8),
                draw(st.integers(0, 2)),
                3.0,
                draw(st.sampled_from(["add", "multiply"])),
                draw(st.sampled_from([ALL, GENERATED, Window(1, 3)])),
            )
            for each in range(draw(st.integers(0, 3)))
        ]
        row = RowSteering.of(steering, Layout(draw(st.sampled_from([1, 3, 5]))), CPU)
        count = draw(st.integers(1, 5))
        found.append((steering, Span(row, first, draw(st.integers(0, 6)), [7] * count)))
        first += count
    return found


def meant(positions, place, prompt_len):
    """Whether a selection holds for a place, written down once more."""
    return positions == ALL or (place >= prompt_len if positions == GENERATED else 1 <= place <= 3)


@given(spans())
def test_a_plan_steers_each_token_by_its_own_rows_deltas_where_they_are_meant_and_no_other(pieces):
    plan = SteeringPlan([span for _, span in pieces])
    total = sum(len(span.token_ids) for _, span in pieces)
    for layer in range(3):
        hidden = torch.randn(total, 8, generator=torch.Generator().manual_seed(layer))
        wanted, untouched = hidden.clone(), set(range(total))
        for steering, span in pieces:
            for number in range(len(span.token_ids)):
                token, place = span.first + number, span.start + number
                for each in steering:
                    if each.layer == layer and meant(each.positions, place, span.steering.layout.prompt_len):
                        factor = wanted[token] if each.operation == "multiply" else 1
                        wanted[token] = wanted[token] + factor * each.delta()
                        untouched.discard(token)
        kept = hidden[sorted(untouched)].clone()
        assert plan.touches(layer) == (len(untouched) < total)
        found = plan.apply(layer, hidden)
        torch.testing.assert_close(found, wanted)
        assert torch.equal(found[sorted(untouched)], kept)
    plan.check()


def added(layer):
    return RowSteering.of([Intervention(torch.ones(8), layer, 1.0)], Layout(1), CPU)


def test_a_plan_whose_blocks_were_not_all_met_says_which():
    plan = SteeringPlan([Span(added(layer), n, 0, [1]) for n, layer in enumerate((0, 2))])
    plan.apply(0, torch.zeros(2, 8))
    with pytest.raises(SteeringNotApplied, match=r"\[2\]"):
        plan.check()


def test_a_plan_refuses_a_residual_stream_of_another_width():
    plan = SteeringPlan([Span(added(0), 0, 0, [1])])
    with pytest.raises(SteeringNotApplied, match="width 9"):
        plan.apply(0, torch.zeros(1, 9))


# --- in a pass through a model


@pytest.mark.parametrize("layer", range(LAYERS - 1))
def test_adding_moves_the_residual_at_its_layer_alone_and_everything_above_but_nothing_below(model, layer):
    steering = steer(bare(model), layer, 0.8)
    with ByHand(model) as hand:
        stream, logits = residuals(hand, (), steering, ())
    with recording(bare(model)) as captured, torch.no_grad():
        bare(model)(input_ids=torch.tensor([IDS]))
    for at in range(LAYERS):
        torch.testing.assert_close(stream[at][0], captured[at][0], atol=1e-4, rtol=1e-4)
        assert torch.equal(stream[at][0], stream[at][1]) == (at <= layer)
    assert torch.equal(stream[-1][0], stream[-1][2]) and torch.equal(logits[0], logits[2])
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("mode", ["add", "multiply"])
@pytest.mark.parametrize("layer", [0, LAYERS - 1])
def test_the_logits_of_steering_at_the_first_and_the_last_block_are_those_of_a_plain_hook(model, mode, layer):
    steering = steer(bare(model), layer, 0.7, operation=mode)
    with ByHand(model) as hand:
        _, (plain, steered) = residuals(hand, (), steering)
    torch.testing.assert_close(steered, oracle_logits(model, IDS, steering), atol=1e-4, rtol=1e-4)
    assert (steered - plain).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_an_unsteered_row_is_bit_equal_beside_steered_rows(model, dtype, mode):
    made = tiny_model(model.config.model_type.split("_")[0], dtype)
    beside = [
        steer(bare(model), 1, 1.0, operation=mode),
        (),
        steer(bare(model), 2, 1.0, positions=GENERATED),
    ]
    with ByHand(made) as hand:
        bare_stream, bare_logits = residuals(hand, (), (), ())
        stream, logits = residuals(hand, *beside, prompt_len=4)
    assert all(torch.equal(stream[layer][1], bare_stream[layer][1]) for layer in range(LAYERS))
    assert torch.equal(logits[1], bare_logits[1])
    assert not torch.equal(logits[0], bare_logits[0])
    assert not torch.equal(logits[2], bare_logits[2])


@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_alpha_zero_is_no_steering_and_identical_to_the_bit(model, mode):
    zeros = [(Intervention(random_vector(1), 1, 0.0, mode),), (Intervention(torch.zeros(WIDTH), 1, 0.0),)]
    assert not any(RowSteering.of(each, Layout(5), CPU) for each in zeros)
    with ByHand(model) as hand:
        _, plain = residuals(hand, (), ())
        _, steered = residuals(hand, *zeros)
    assert torch.equal(steered, plain)


def test_generated_positions_start_after_each_rows_own_prompt(model):
    steering = steer(bare(model), 1, 0.8, positions=GENERATED)
    for start in (4, 7, 10):
        with ByHand(model) as hand:
            (bare_stream, bare_logits) = residuals(hand, ())
            (stream, logits) = residuals(hand, steering, prompt_len=start)
        for layer in range(LAYERS):
            assert torch.equal(stream[layer][0][:start], bare_stream[layer][0][:start])
        assert torch.equal(logits[0, :start], bare_logits[0, :start])
        assert (logits[0, start:] != bare_logits[0, start:]).any(dim=-1).all()


# --- passes that would not be what they seem


@pytest.fixture(params=["gemma3", "phi3", "lfm2", "gpt2"])
def hooked(request):
    """Families whose own blocks are called, with hooks and an attention that something could bypass."""
    model = tiny_model(request.param)
    assert not LlamaForward.fits(model)
    return model


def test_a_pass_whose_hook_is_gone_raises_instead_of_passing_as_steered(hooked):
    with ByHand(hooked) as hand:
        hand.forward._handles[1].remove()  # what a compiled or wrapped block may amount to
        with pytest.raises(SteeringNotApplied, match=r"\[1\]"):
            residuals(hand, (), (Intervention(random_vector(1), 1, 5.0),))


def test_a_pass_whose_attention_goes_elsewhere_raises_instead_of_mixing_rows(hooked):
    with ByHand(hooked) as hand:
        hooked.set_attn_implementation("sdpa")
        with pytest.raises(SteeringNotApplied, match="past the engine"):
            residuals(hand, (), ())


def test_such_a_pass_fails_the_requests_in_it(hooked):
    request = GenerationRequest(IDS, steer(bare(hooked), 1, 0.8), Sampling(3))
    with Engine(hooked, byte_tokenizer()) as engine:
        run(engine, request)
        engine._forward._handles[1].remove()
        with pytest.raises(SteeringNotApplied):
            run(engine, request)
        assert run(engine, replace(request, steering=()))[0].new_tokens == 3


def test_a_block_that_returns_another_shape_raises(hooked):
    block = decoder_blocks(hooked)[1]
    forward = block.forward

    def shortened(*args, **kwargs):
        output = forward(*args, **kwargs)
        hidden = output[0] if isinstance(output, tuple) else output
        return (hidden[:, :-1], *output[1:]) if isinstance(output, tuple) else hidden[:, :-1]

    with ByHand(hooked) as hand:
        block.forward = shortened
        with pytest.raises(SteeringNotApplied, match="block 1 returned"):
            residuals(hand, (Intervention(random_vector(1), 1, 5.0),))
        del block.forward


def test_another_thread_is_never_steered_while_this_one_is(hooked):
    """Checked from inside a pass: between two blocks of it another thread runs the model."""
    seen = []

    def other(*_args):
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=lambda: seen.append(logits()))
            thread.start()
            thread.join()

    @torch.inference_mode()
    def logits():
        return hooked(input_ids=torch.tensor([IDS])).logits[0]

    with ByHand(hooked) as hand:
        handle = decoder_blocks(hooked)[2].register_forward_hook(other)
        _, (steered,) = residuals(hand, steer(bare(hooked), 1, 1.0))
        handle.remove()
    torch.testing.assert_close(seen[0], oracle_logits(hooked, IDS), atol=1e-4, rtol=1e-4)
    assert (seen[0] - steered).abs().max() > 0.1


# --- what a request may ask for


@pytest.mark.parametrize(
    ("steering", "message"),
    [
        (Intervention(torch.ones(WIDTH), LAYERS, 1.0), "layer 4 does not exist"),
        (Intervention(torch.ones(WIDTH), -1, 1.0), "layer -1 does not exist"),
        (Intervention(torch.ones(WIDTH), 1.5, 1.0), "layer 1.5 does not exist"),
        (Intervention(torch.ones(WIDTH + 1), 0, 1.0), r"needs \[64\]"),
        (Intervention(torch.ones(1, WIDTH), 0, 1.0), r"needs \[64\]"),
        (Intervention(torch.tensor(1.0), 0, 1.0), r"needs \[64\]"),
        (Intervention(torch.ones(WIDTH, dtype=torch.int64), 0, 1.0), "floating dtype"),
        (Intervention(torch.full((WIDTH,), math.nan), 0, 1.0), "finite"),
        (Intervention(torch.full((WIDTH,), math.nan), 0, 0.0), "finite"),
        (Intervention(torch.full((WIDTH,), math.inf), 0, 1.0), "finite"),
        (Intervention(torch.ones(WIDTH), 0, math.nan), "finite"),
        (Intervention(torch.ones(WIDTH), 0, math.inf), "finite"),
        (Intervention(torch.ones(WIDTH), 0, 1e300), "finite"),
        (Intervention(torch.zeros(WIDTH), 0, 1.0), "zero"),
        (Intervention(torch.ones(WIDTH), 0, 1.0, operation="project"), "expected add or multiply"),
    ],
)
def test_a_steering_that_does_not_fit_is_refused(steering, message):
    with pytest.raises(SteeringMismatch, match=message):
        steering.validate(LAYERS, WIDTH)


@given(
    scale=st.floats(1e-30, 1e30),
    alpha=st.floats(-1e4, 1e4),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_the_delta_has_the_norm_alpha_whatever_the_vectors_norm_and_dtype(scale, alpha, dtype):
    if dtype == torch.float16:
        scale = min(max(scale, 1e-2), 1e3)
    delta = Intervention((random_vector(5) * scale).to(dtype), 0, alpha).delta()
    assert delta.dtype == torch.float32
    assert float(delta.norm()) == pytest.approx(abs(alpha), rel=1e-5)


def test_bf16_models_get_a_delta_that_was_scaled_in_float32():
    vector = random_vector(6).to(torch.bfloat16)
    row = RowSteering.of([Intervention(vector, 0, 1.0)], Layout(10), CPU)
    exact = vector.float() / vector.float().norm()
    found = SteeringPlan([Span(row, 0, 0, [1])]).apply(0, torch.zeros(1, WIDTH, dtype=torch.bfloat16))
    assert torch.equal(found[0], exact.to(torch.bfloat16))


def test_tokens_have_equal_marks_exactly_where_they_are_steered_alike():
    vector = random_vector(1)
    first = Intervention(vector, 1, 2.0)
    alike = [replace(first, vector=vector.clone()), replace(first, vector=vector * 4)]
    alike.append(replace(first, vector=-vector, alpha=-2.0))
    condition = Condition(Probe(random_vector(3), 0), above=True, threshold=0.5)
    others = [
        [replace(first, layer=2)],
        [replace(first, alpha=2.5)],
        [replace(first, operation="multiply")],
        [replace(first, vector=random_vector(2))],
        [replace(first, when=condition)],
        [replace(first, when=replace(condition, above=False))],
        [replace(first, when=replace(condition, threshold=0.25))],
        [replace(first, when=replace(condition, measure="cosine"))],
        [first, first],
        [first, replace(first, layer=2)],
        [first, replace(first, operation="multiply")],
        [replace(first, operation="multiply"), first],
    ]

    def marks(steering):
        return set(RowSteering.of(steering, Layout(5), CPU).touched(range(5)).marks.tolist())

    assert marks([first]) == set().union(*(marks([each]) for each in alike)) and len(marks([first])) == 1
    assert len(set().union(marks([first]), *map(marks, others))) == 1 + len(others)
    other = replace(first, layer=2)
    assert marks([first, other]) == marks([other, first])
    assert marks([]) == marks([replace(first, positions=GENERATED)]) == {0}
    assert 0 not in marks([first])


def test_the_lowest_touched_block_is_that_of_any_token_so_far_and_a_condition_reads_one():
    probe = Probe(random_vector(3), 0)
    steering = [
        Intervention(random_vector(1), 3, 1.0),
        Intervention(random_vector(1), 2, 1.0, positions=Window(2)),
        Intervention(random_vector(1), 1, 1.0, positions=Window(4), when=Condition(probe, True, 0.0)),
    ]
    touched = RowSteering.of(steering, Layout(6), CPU).touched(range(6))
    assert touched.lowest.tolist() == [3, 3, 2, 2, 0, 0]
    assert len(set(touched.marks.tolist())) == 3
