import pytest
import torch
from torch import nn

from tests.vectors.tiny import LAYERS, VOCAB, WIDTH, prompt, tiny_model
from vectors.errors import SteeringMismatch, UnsupportedModel
from vectors.models import blocks
from vectors.models.residual import residual, with_residual


def run(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([prompt(1, 9)]))


def test_every_family_has_its_blocks_found_in_order(model):
    found = blocks.decoder_blocks(model)
    assert len(found) == blocks.n_layers(model) == LAYERS
    order = []
    handles = [block.register_forward_hook(lambda *_, i=i: order.append(i)) for i, block in enumerate(found)]
    run(model)
    for handle in handles:
        handle.remove()
    assert order == list(range(LAYERS))


def test_the_last_residual_through_final_norm_and_unembedding_gives_the_models_logits(model):
    with blocks.recording(model) as captured:
        logits = run(model).logits
    assert captured[LAYERS - 1].shape == (1, 9, blocks.d_model(model))
    assert blocks.unembedding(model).shape == (VOCAB, WIDTH)
    with torch.no_grad():
        lens = blocks.final_norm(model)(captured[LAYERS - 1]) @ blocks.unembedding(model).T
    torch.testing.assert_close(lens, logits)


def test_recording_agrees_with_the_hidden_states_of_transformers_below_the_final_norm(model):
    with blocks.recording(model) as captured, torch.no_grad():
        hidden_states = model(input_ids=torch.tensor([prompt(1, 9)]), output_hidden_states=True).hidden_states
    for layer in range(LAYERS - 1):
        assert torch.equal(captured[layer], hidden_states[layer + 1])


def test_recording_captures_only_the_layers_asked_for_and_leaves_no_hook_behind(model):
    hooks = [len(block._forward_hooks) for block in blocks.decoder_blocks(model)]
    with blocks.recording(model, [2]) as captured:
        run(model)
    assert list(captured) == [2]
    assert [len(block._forward_hooks) for block in blocks.decoder_blocks(model)] == hooks


def test_recording_a_layer_that_does_not_exist_raises(model):
    with pytest.raises(SteeringMismatch, match="expected 0 to 3"), blocks.recording(model, [LAYERS]):
        pass


def test_a_tuple_keeps_what_else_a_block_returned():
    hidden, weights = torch.ones(1, 2, 3), torch.ones(1, 1)
    assert residual((hidden, weights)) is hidden
    assert with_residual((hidden, weights), hidden * 2)[1] is weights
    assert torch.equal(with_residual(hidden, hidden * 2), hidden * 2)


@pytest.mark.parametrize("output", [None, (), "text", torch.ones(2, 3), (torch.ones(2, 3),), {"a": 1}])
def test_a_block_output_without_a_residual_stream_raises(output):
    with pytest.raises(UnsupportedModel, match="expected a tensor"):
        residual(output)


def test_a_model_without_a_list_of_blocks_is_refused():
    model = tiny_model("qwen3")
    del model.model.layers[1]
    with pytest.raises(UnsupportedModel, match="found none"):
        blocks.decoder_blocks(model)


def test_a_model_with_two_lists_of_blocks_is_refused_and_both_are_named():
    model = tiny_model("llama")
    model.model.tower = nn.ModuleList(nn.Identity() for _ in range(LAYERS))
    with pytest.raises(UnsupportedModel, match=r"layers.*tower"):
        blocks.decoder_blocks(model)


def test_a_list_inside_a_block_such_as_its_experts_is_not_taken_for_the_blocks():
    model = tiny_model("llama")
    model.model.layers[0].experts = nn.ModuleList(nn.Identity() for _ in range(LAYERS))
    assert blocks.decoder_blocks(model) == list(model.model.layers)


def test_a_model_without_a_final_norm_is_refused():
    model = tiny_model("llama")
    del model.model.norm
    with pytest.raises(UnsupportedModel, match="found 0"):
        blocks.final_norm(model)


@pytest.mark.parametrize("apart", [True, False])
def test_of_several_streams_the_mean_is_read_and_each_is_moved_alike(apart):
    streams = torch.randn(1, 5, 4, 3)
    output = (streams if apart else streams.flatten(2), "more")
    mean = residual(output, 4)
    torch.testing.assert_close(mean, streams.mean(2))
    moved = mean.clone()
    moved[:, 2:] += torch.tensor([1.0, 2.0, 3.0])
    after, more = with_residual(output, moved, 4)
    assert more == "more" and after.shape == output[0].shape
    assert torch.equal(after.view_as(streams)[:, :2], streams[:, :2])
    torch.testing.assert_close(after.view_as(streams)[:, 2:], streams[:, 2:] + torch.tensor([1.0, 2.0, 3.0]))


def test_streams_that_are_none_of_a_models_own_raise():
    with pytest.raises(UnsupportedModel, match="returned \\[1, 5, 4, 3\\]"):
        residual(torch.zeros(1, 5, 4, 3))
    with pytest.raises(UnsupportedModel):
        residual(torch.zeros(1, 5, 3), 2)
