import math
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.tiny import LAYERS, WIDTH, prompt, random_vector, steer, tiny_model
from vectors.blocks import decoder_blocks, recording
from vectors.errors import SteeringMismatch, SteeringNotApplied, VectorsError
from vectors.steering import Steering, SteeringTable

PROMPTS = torch.tensor([prompt(1, 10), prompt(2, 10), prompt(3, 10)])
POSITIONS = torch.arange(10).expand(3, -1)


def residuals(model, table=None, positions=POSITIONS):
    """The residual stream of every layer, and the logits, of PROMPTS in one batch."""
    with recording(model) as captured, torch.inference_mode():
        if table is None:
            logits = model(input_ids=PROMPTS, position_ids=POSITIONS).logits
        else:
            with table.steered(positions):
                logits = model(input_ids=PROMPTS, position_ids=POSITIONS).logits
    return captured, logits


@pytest.fixture
def table(model):
    with SteeringTable(model, max_rows=4) as table:
        yield table


def test_adding_moves_the_residual_by_alpha_along_the_unit_vector_at_its_layer_and_row_only(model, table):
    bare, _ = residuals(model)
    steering = Steering(random_vector(1), layer=1, alpha=5.0)
    table.bind([None, steering, None], [10] * 3)
    steered, _ = residuals(model, table)
    moved = steered[1][1] - bare[1][1]
    torch.testing.assert_close(
        moved, (5 * random_vector(1) / random_vector(1).norm()).expand(10, -1), atol=1e-4, rtol=0
    )
    assert torch.equal(steered[0], bare[0])
    for row in (0, 2):
        assert torch.equal(steered[1][row], bare[1][row])


def test_multiplying_scales_each_coordinate_by_one_plus_alpha_times_the_unit_vector(model, table):
    bare, _ = residuals(model)
    table.bind([Steering(random_vector(1), 2, 5.0, "multiply"), None, None], [10] * 3)
    steered, _ = residuals(model, table)
    unit = random_vector(1) / random_vector(1).norm()
    torch.testing.assert_close(steered[2][0], bare[2][0] * (1 + 5 * unit), atol=1e-4, rtol=1e-5)
    assert torch.equal(steered[2][1:], bare[2][1:])


@pytest.mark.parametrize("mode", ["add", "multiply"])
@pytest.mark.parametrize("layer", range(LAYERS))
def test_layers_below_the_steered_one_are_untouched(model, table, mode, layer):
    bare, bare_logits = residuals(model)
    table.bind([steer(model, layer, 0.5, mode=mode)] * 3, [10] * 3)
    steered, logits = residuals(model, table)
    for below in range(layer):
        assert torch.equal(steered[below], bare[below])
    for above in range(layer, LAYERS):
        assert not torch.equal(steered[above], bare[above])
    assert not torch.equal(logits, bare_logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_an_unsteered_row_is_bit_equal_beside_steered_rows(model, dtype, mode):
    model = model if dtype == torch.float32 else tiny_model(model.config.model_type.split("_")[0], dtype)
    bare, bare_logits = residuals(model)
    with SteeringTable(model, 3) as table:
        table.bind(
            [steer(model, 1, 1.0, mode=mode), None, steer(model, 2, 1.0, positions="generated")], [10, 10, 4]
        )
        steered, logits = residuals(model, table)
    assert all(torch.equal(steered[layer][1], bare[layer][1]) for layer in range(LAYERS))
    assert torch.equal(logits[1], bare_logits[1])
    assert not torch.equal(logits[0], bare_logits[0])
    assert not torch.equal(logits[2], bare_logits[2])


@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_alpha_zero_is_the_identity_to_the_bit(model, table, mode):
    _, bare_logits = residuals(model)
    table.bind(
        [Steering(random_vector(1), 1, 0.0, mode), Steering(torch.zeros(WIDTH), 1, 0.0), None], [10] * 3
    )
    _, logits = residuals(model, table)
    assert torch.equal(logits, bare_logits)


def test_generated_positions_start_after_each_rows_own_prompt(model, table):
    bare, _ = residuals(model)
    vector = steer(model, 1, 0.5, positions="generated")
    table.bind([vector, vector, None], [4, 7, 10])
    steered, _ = residuals(model, table)
    for row, start in ((0, 4), (1, 7)):
        assert torch.equal(steered[1][row, :start], bare[1][row, :start])
        assert (steered[1][row, start:] != bare[1][row, start:]).any(dim=-1).all()
    assert torch.equal(steered[1][2], bare[1][2])


def test_blocks_that_no_row_steers_hand_on_the_very_object_they_returned(qwen3):
    returned, handed_on = {}, {}

    def note(into):
        return [
            block.register_forward_hook(lambda _b, _a, output, i=i: into.__setitem__(i, output))
            for i, block in enumerate(decoder_blocks(qwen3))
        ]

    handles = note(returned)
    with SteeringTable(qwen3, 3) as table:
        handles += note(handed_on)
        table.bind([Steering(random_vector(1), 1, 5.0), Steering(random_vector(1), 2, 0.0), None], [10] * 3)
        residuals(qwen3, table)
    for handle in handles:
        handle.remove()
    assert [handed_on[layer] is returned[layer] for layer in range(LAYERS)] == [True, False, True, True]


def test_a_table_that_is_not_armed_leaves_the_model_bare(model, table):
    _, bare = residuals(model)
    table.bind([steer(model, 1, 1.0)] * 3, [10] * 3)
    _, logits = residuals(model)
    assert torch.equal(logits, bare)


def test_another_thread_is_never_steered_while_this_one_is(qwen3):
    _, bare = residuals(qwen3)
    seen = []
    with SteeringTable(qwen3, 3) as table:
        table.bind([steer(qwen3, 1, 1.0)] * 3, [10] * 3)
        with pytest.raises(SteeringNotApplied), table.steered(POSITIONS):
            other = threading.Thread(target=lambda: seen.append(residuals(qwen3)[1]))
            other.start()
            other.join()
    assert torch.equal(seen[0], bare)


def test_a_forward_pass_whose_hooks_do_not_fire_raises_instead_of_passing_as_steered(qwen3):
    with SteeringTable(qwen3, 3) as table, torch.no_grad():
        table.bind([steer(qwen3, 1, 1.0), None, None], [10] * 3)
        table.detach()  # what a compiled or wrapped model may amount to: the block runs, the hook does not
        with pytest.raises(SteeringNotApplied, match=r"\[1\]"), table.steered(POSITIONS):
            qwen3(input_ids=PROMPTS)


def test_a_batch_of_another_size_than_the_bound_one_raises(qwen3):
    with SteeringTable(qwen3, 3) as table:
        table.bind([steer(qwen3, 1, 1.0), None], [10] * 2)
        with pytest.raises(SteeringNotApplied, match="2 bound"):
            residuals(qwen3, table)
        with pytest.raises(SteeringNotApplied, match="expected"):
            residuals(qwen3, table, positions=POSITIONS[:2])


def test_rows_that_are_kept_take_their_steering_along(model, table):
    wanted = [steer(model, 1, 0.5, seed=1), None, steer(model, 1, 0.5, seed=2, mode="multiply")]
    table.bind([None, *wanted], [10] * 4)
    table.keep([1, 2, 3])
    _, after_keep = residuals(model, table)
    table.bind(wanted, [10] * 3)
    _, bound = residuals(model, table)
    assert torch.equal(after_keep, bound)


@pytest.mark.parametrize("mode", ["add", "multiply"])
def test_binding_anew_leaves_nothing_of_the_batch_before(model, table, mode):
    _, bare = residuals(model)
    steerings = [steer(model, layer, 1.0, mode=mode) for layer in range(3)]
    table.bind(steerings, [10] * 3)
    table.keep([0, 1])
    for layer, steering in enumerate(steerings):
        table.bind([None if row == layer else steering for row in range(3)], [10] * 3)
        _, logits = residuals(model, table)
        assert torch.equal(logits[layer], bare[layer])


def test_detaching_removes_every_hook(qwen3):
    before = [len(block._forward_hooks) for block in decoder_blocks(qwen3)]
    with SteeringTable(qwen3, 2):
        assert [len(block._forward_hooks) for block in decoder_blocks(qwen3)] == [n + 1 for n in before]
    assert [len(block._forward_hooks) for block in decoder_blocks(qwen3)] == before


@pytest.mark.parametrize(
    ("steering", "message"),
    [
        (Steering(torch.ones(WIDTH), LAYERS, 1.0), "layer 4 does not exist"),
        (Steering(torch.ones(WIDTH), -1, 1.0), "layer -1 does not exist"),
        (Steering(torch.ones(WIDTH), 1.5, 1.0), "layer 1.5 does not exist"),
        (Steering(torch.ones(WIDTH + 1), 0, 1.0), r"needs \[64\]"),
        (Steering(torch.ones(1, WIDTH), 0, 1.0), r"needs \[64\]"),
        (Steering(torch.tensor(1.0), 0, 1.0), r"needs \[64\]"),
        (Steering(torch.ones(WIDTH, dtype=torch.int64), 0, 1.0), "floating dtype"),
        (Steering(torch.full((WIDTH,), math.nan), 0, 1.0), "finite"),
        (Steering(torch.full((WIDTH,), math.nan), 0, 0.0), "finite"),
        (Steering(torch.full((WIDTH,), math.inf), 0, 1.0), "finite"),
        (Steering(torch.ones(WIDTH), 0, math.nan), "finite"),
        (Steering(torch.ones(WIDTH), 0, math.inf), "finite"),
        (Steering(torch.ones(WIDTH), 0, 1e300), "finite"),
        (Steering(torch.zeros(WIDTH), 0, 1.0), "zero"),
        (Steering(torch.ones(WIDTH), 0, 1.0, mode="project"), "expected add or multiply"),
        (Steering(torch.ones(WIDTH), 0, 1.0, positions="prompt"), "expected add or multiply"),
    ],
)
def test_a_steering_that_does_not_fit_is_refused_and_the_table_stays_empty(qwen3, steering, message):
    with pytest.raises(SteeringMismatch, match=message):
        steering.validate(LAYERS, WIDTH)
    _, bare = residuals(qwen3)
    with SteeringTable(qwen3, 3) as table:
        with pytest.raises(VectorsError, match=message):
            table.bind([Steering(torch.ones(WIDTH), 1, 9.0), steering, None], [10] * 3)
        table.bind([None] * 3, [10] * 3)
        _, logits = residuals(qwen3, table)
    assert torch.equal(logits, bare)


def test_more_rows_than_the_table_has_are_refused(qwen3):
    with SteeringTable(qwen3, 2) as table, pytest.raises(SteeringMismatch, match="3 rows"):
        table.bind([None] * 3, [1] * 3)


@given(
    scale=st.floats(1e-30, 1e30),
    alpha=st.floats(-1e4, 1e4),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_the_delta_has_the_norm_alpha_whatever_the_vectors_norm_and_dtype(scale, alpha, dtype):
    if dtype == torch.float16:
        scale = min(max(scale, 1e-2), 1e3)
    delta = Steering((random_vector(5) * scale).to(dtype), 0, alpha).delta()
    assert delta.dtype == torch.float32
    assert float(delta.norm()) == pytest.approx(abs(alpha), rel=1e-5)


def test_bf16_models_get_a_delta_that_was_scaled_in_float32():
    model = tiny_model("llama", torch.bfloat16)
    vector = random_vector(6).to(torch.bfloat16)
    with SteeringTable(model, 1) as table:
        table.bind([Steering(vector, 0, 1.0)], [10])
        exact = vector.float() / vector.float().norm()
        torch.testing.assert_close(table._add[0, 0, 0].float(), exact, rtol=2**-8, atol=0)
