"""Packed layers compute what dense ones do, over the very weights, and few bits stand only for few levels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import linear, silu

from tests.vectors import tiny
from tests.vectors.engine.batches import bare
from vectors.engine.engine import Engine
from vectors.engine.packing import (
    FusedLinear,
    PackedLinear,
    PartOfLinear,
    can_pack,
    fused,
    join_attention,
    pack,
)
from vectors.models.blocks import decoder_blocks, recording

CPU = torch.device("cpu")
IN, OUT = 96, 160


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def on_levels(levels, *, zero=False, seed=0, rows=OUT, columns=IN):
    """A bf16 weight whose groups of 32 lie on so many levels, each with a scale and an offset of its own."""
    generator = torch.Generator().manual_seed(seed)
    groups = (rows, columns // 32)
    level = torch.randint(0, levels, (*groups, 32), generator=generator).float()
    level[..., 0], level[..., 1] = 0, levels - 1  # the extremes occur, as in a real file
    scale = torch.rand(*groups, 1, generator=generator) * 0.02 + 0.01
    offset = -(levels // 2) * scale if zero else -scale * levels * torch.rand(*groups, 1, generator=generator)
    return (level * scale + offset).view(rows, columns).to(torch.bfloat16)


def within_rounding(found, exact, x, weight, planes=1):
    """Whether a bf16 product is as near to the exact one as bf16 can tell: weights and sums are."""
    size = (x.double().abs() @ weight.double().abs().T) + exact.abs()
    return bool(((found.double() - exact).abs() <= 2**-7 * planes * size + 1e-6).all())


# --- the same products


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
@settings(max_examples=15)
@given(shape=st.sampled_from([(0,), (1,), (2,), (4,), (5,), (16,), (33,), (1, 1), (2, 3), (1, 17)]))
def test_every_operation_gives_what_the_dense_layer_gives(dtype, bias, shape):
    weight = random(OUT, IN, seed=1, dtype=dtype) / IN**0.5
    added = random(OUT, seed=2, dtype=dtype) if bias else None
    layer = fused(weight, added)
    assert isinstance(layer, PackedLinear) == can_pack(dtype, CPU)
    x, other = random(*shape, IN, seed=3, dtype=dtype), random(*shape, OUT, seed=4, dtype=dtype)
    kept = other.clone()
    exact = linear(x.double(), weight.double(), None if added is None else added.double())
    wide = other.double()
    for found, wanted in (
        (layer(x), exact),
        (layer.silu(x), silu(exact)),
        (layer.times(x, other), exact * wide),
        (layer.plus(x, other), exact + wide),
    ):
        assert found.shape == (*shape, OUT) and found.dtype == dtype
        rounding = 1e-5 if dtype == torch.float32 else 4e-2
        torch.testing.assert_close(found.double(), wanted, atol=rounding, rtol=rounding)
    assert torch.equal(other, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(OUT, IN), (7, 5), (258, 64), (33, 1)])
def test_the_weight_of_a_packed_layer_is_the_very_weight_it_was_made_of(dtype, shape):
    weight = random(*shape, seed=5, dtype=dtype)
    assert torch.equal(fused(weight, None).weight, weight)


def test_a_row_is_the_same_to_the_bit_wherever_it_stands_among_as_many_rows():
    """What lets a steered neighbour leave a row untouched: no row of a product looks at another."""
    layer = fused(random(OUT, IN, seed=1), None)
    x = random(9, IN, seed=2)
    changed = x.clone()
    changed[[0, 3, 8]] += 1
    assert torch.equal(layer(x)[[1, 2, 4, 5, 6, 7]], layer(changed)[[1, 2, 4, 5, 6, 7]])


# --- few bits


@pytest.mark.skipif(not can_pack(torch.bfloat16, CPU), reason="no bf16 products in this processor")
class TestFewBits:
    @pytest.mark.parametrize(
        ("weight", "bits"),
        [(on_levels(16), 4), (on_levels(255, zero=True), 8), (on_levels(16, rows=608), 4)],  # one in chunks
    )
    def test_weights_on_few_levels_are_kept_at_few_bits_and_lose_nothing_but_rounding(self, weight, bits):
        layer = fused(weight, None)
        assert layer.bits == bits
        assert layer.read_bytes < weight.nbytes * (bits + 2) / 16 + 1
        assert torch.equal(layer.weight, weight)
        for rows in (1, 2, 3, 6, 7, 40):
            x = random(rows, IN, seed=rows, dtype=torch.bfloat16)
            exact = x.double() @ weight.double().T
            assert within_rounding(layer(x), exact, x, weight, planes=2)
            assert within_rounding(linear(x, weight), exact, x, weight)

    @pytest.mark.parametrize("levels", [16, 255])
    def test_the_error_of_few_bits_is_no_more_than_a_small_multiple_of_that_of_bf16(self, levels):
        weight = on_levels(levels, zero=levels == 255, rows=512, columns=512)
        layer, x = fused(weight, None), random(3, 512, dtype=torch.bfloat16)
        exact = x.double() @ weight.double().T
        few, dense = (float((each.double() - exact).norm()) for each in (layer(x), linear(x, weight)))
        assert layer.bits < 16 and few < 3 * dense

    @given(
        rows=st.sampled_from([32, 64, 96]),
        columns=st.sampled_from([32, 96]),
        seed=st.integers(0, 1000),
        levels=st.sampled_from([24, 64, 300, None]),
    )
    @settings(max_examples=30)
    def test_other_weights_are_never_kept_at_few_bits(self, rows, columns, seed, levels):
        if levels:
            weight = on_levels(levels, seed=seed, rows=rows, columns=columns)
        else:
            weight = random(rows, columns, seed=seed, dtype=torch.bfloat16)
        assert fused(weight, None).bits == 16

    def test_one_weight_off_its_level_anywhere_is_enough_to_keep_all_bits(self):
        for row, column in ((0, 5), (OUT - 1, IN - 1), (77, 40)):
            weight = on_levels(16)
            group = weight[row, column // 32 * 32 :][:32]
            weight[row, column] = group.min() + (group.max() - group.min()) / 15 * 7.5
            assert fused(weight, None).bits == 16

    def test_weights_of_another_dtype_with_a_bias_or_without_whole_groups_keep_all_their_bits(self):
        assert fused(on_levels(16).float(), None).bits == 32
        assert fused(on_levels(16), torch.zeros(OUT, dtype=torch.bfloat16)).bits == 16
        assert fused(on_levels(16)[:, :80].contiguous(), None).bits == 16
        assert fused(on_levels(16)[:150].contiguous(), None).bits == 16

    @pytest.mark.parametrize("weight", [torch.zeros(64, 64), torch.full((64, 64), 0.5)])
    def test_weights_that_are_all_alike_are_multiplied_rightly(self, weight):
        layer, x = fused(weight.bfloat16(), None), random(3, 64, dtype=torch.bfloat16)
        exact = x.double() @ weight.double().T
        assert within_rounding(layer(x), exact, x, weight)


# --- whole models


def test_queries_keys_and_values_joined_are_those_of_their_own_layers():
    for name in ("qwen3", "llama"):
        model = tiny.tiny_model(name)
        attention = decoder_blocks(model)[1].self_attn
        x = random(3, 7, tiny.WIDTH)
        names = ("q_proj", "k_proj", "v_proj")
        wanted = [getattr(attention, part)(x) for part in names]
        joint = join_attention(attention)
        assert join_attention(attention) is joint
        for part, want in zip(names, wanted, strict=True):
            layer = getattr(attention, part)
            assert isinstance(layer, PartOfLinear)
            torch.testing.assert_close(layer(x), want, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(joint(x), torch.cat(wanted, dim=-1), atol=1e-5, rtol=1e-5)


def test_biases_of_attention_are_joined_as_well():
    torch.manual_seed(3)
    attention = nn.Module()
    for name, out in (("q_proj", 64), ("k_proj", 32), ("v_proj", 32)):
        setattr(attention, name, nn.Linear(48, out, bias=True))
    x = random(5, 48)
    wanted = [getattr(attention, name)(x) for name in ("q_proj", "k_proj", "v_proj")]
    torch.testing.assert_close(join_attention(attention)(x), torch.cat(wanted, dim=-1), atol=1e-5, rtol=1e-5)


def test_a_packed_model_computes_what_it_did_at_every_block(model):
    ids = torch.tensor([tiny.prompt(1, 20), tiny.prompt(2, 20)])
    seen = []
    for each in (bare(model), tiny.tiny_model(model.config.model_type.split("_")[0])):
        if seen:
            pack(each)
            assert not any(type(module) is nn.Linear for module in each.modules())
            layers = sum(isinstance(module, FusedLinear) for module in each.modules())
            pack(each)
            assert sum(isinstance(module, FusedLinear) for module in each.modules()) == layers
        with recording(each) as captured, torch.inference_mode():
            logits = each(input_ids=ids).logits
        seen.append([*captured.values(), logits])
    for before, after in zip(*seen, strict=True):
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_an_engines_model_still_generates_by_transformers_what_it_did(model):
    packed = tiny.tiny_model(model.config.model_type.split("_")[0])
    with Engine(packed, tiny.byte_tokenizer()):
        pass
    steering = tiny.steer(bare(model), 1, 0.8)
    for each in ((), steering):
        ids = tiny.prompt(4, 30)
        assert tiny.hf_generate(packed, ids, each) == tiny.hf_generate(bare(model), ids, each)


def test_the_embedding_keeps_its_weight_where_the_head_shares_it():
    model = tiny.tiny_model("llama")
    model.lm_head.weight = model.model.embed_tokens.weight
    before = model.model.embed_tokens.weight.clone()
    pack(model)
    assert torch.equal(model.model.embed_tokens.weight, before)
    assert torch.equal(model.get_output_embeddings().weight, before)


@pytest.mark.real_model
def test_the_embedded_models_weights_are_read_at_few_bits_where_its_file_has_few(cache_dir):
    if not can_pack(torch.bfloat16, CPU):
        pytest.skip("no bf16 products in this processor")
    from vectors.models.loading import load_model

    lm = load_model("smollm2-135m", cache=cache_dir, dtype=torch.bfloat16)
    dense = {
        name: module.weight.clone()
        for name, module in lm.model.named_modules()
        if isinstance(module, nn.Linear)
    }
    pack(lm.model)
    layers = {name: module for name, module in lm.model.named_modules() if isinstance(module, PackedLinear)}
    assert layers.keys() == dense.keys()
    assert all(torch.equal(layer.weight, dense[name]) for name, layer in layers.items())
    read = sum(layer.read_bytes for layer in layers.values())
    assert read < 0.5 * sum(weight.nbytes for weight in dense.values())
    for name in list(layers)[:: len(layers) // 12]:
        x = random(2, layers[name].in_features, dtype=torch.bfloat16)
        exact = x.double() @ dense[name].double().T
        assert within_rounding(layers[name](x), exact, x, dense[name], planes=2)
