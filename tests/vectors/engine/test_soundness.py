"""Models whose blocks do more than a pass knows of are refused when they are opened, of whatever family."""

import pytest
import torch
import transformers as hf

from tests.vectors.engine.batches import run, tokens
from tests.vectors.tiny import byte_tokenizer, hf_generate, prompt
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import UnsupportedModel
from vectors.models.blocks import context_length

COMMON = {
    "vocab_size": 258,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": 0,
}


def falcon_h1():
    """A state beside the attention of each block."""
    mamba = {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16}
    return hf.FalconH1ForCausalLM(
        hf.FalconH1Config(**COMMON, **mamba, mamba_n_groups=1, mamba_chunk_size=8, head_dim=16)
    )


def llama4():
    """Attention in chunks of 8 tokens."""
    config = hf.Llama4TextConfig(
        **COMMON, intermediate_size_mlp=64, head_dim=16, num_local_experts=2, attention_chunk_size=8
    )
    return hf.Llama4ForCausalLM(config)


def deepseek():
    """Keys of another width than values."""
    widths = {"qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16, "kv_lora_rank": 16}
    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
    sizes = {"q_lora_rank": 16, "moe_intermediate_size": 32, "first_k_dense_replace": 1}
    several = {**COMMON, "num_key_value_heads": 4}
    return hf.DeepseekV3ForCausalLM(hf.DeepseekV3Config(**several, **widths, **experts, **sizes))


def diff_llama():
    """The difference of two attentions."""
    return hf.DiffLlamaForCausalLM(hf.DiffLlamaConfig(**COMMON))


def gpt_oss():
    """Attention that may go to nothing."""
    return hf.GptOssForCausalLM(hf.GptOssConfig(**COMMON, num_local_experts=2, head_dim=16))


def refusal(model):
    with pytest.raises(UnsupportedModel) as refused:
        Engine(model.float().eval(), byte_tokenizer())
    return str(refused.value)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (falcon_h1, "layers of the kind hybrid"),
        (llama4, "layers of the kind chunked_attention"),
        (deepseek, "keys of width 24 and values of 16"),
        (diff_llama, "block 0 attends twice"),
        (gpt_oss, "needs s_aux"),
    ],
)
def test_a_model_with_something_beside_plain_attention_is_refused_when_it_is_opened(make, reason):
    torch.manual_seed(0)
    assert reason in refusal(make())


@pytest.fixture
def _no_kinds(monkeypatch):
    """As if no config told what kinds of layers its model has."""
    monkeypatch.setattr("vectors.engine.soundness.text_config", lambda _model: None)


@pytest.mark.usefixtures("_no_kinds")
def test_a_state_beside_attention_is_found_where_no_config_tells_of_it_however_little_it_weighs():
    torch.manual_seed(0)
    model = falcon_h1()
    for name, weight in model.named_parameters():
        if "mamba" in name and weight.dim() > 1:
            weight.data.mul_(1e-6)
    assert "more than attention" in refusal(model)


@pytest.mark.usefixtures("_no_kinds")
def test_a_mask_of_the_models_own_is_found_where_no_config_tells_of_it():
    torch.manual_seed(0)
    assert "attends in a way of its own" in refusal(llama4())


def test_a_model_is_left_bare_where_it_was_refused():
    torch.manual_seed(0)
    model = diff_llama().eval()
    before = hf_generate(model, prompt(1, 20))
    refusal(model)
    assert hf_generate(model, prompt(1, 20)) == before
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("family", ["Mixtral", "Olmo2", "StableLm"])
def test_families_that_nobody_has_tried_here_give_their_own_tokens_alone_and_in_a_batch(family):
    torch.manual_seed(0)
    settings = {
        **COMMON,
        "initializer_range": 0.15,
        **({"num_local_experts": 4} if family == "Mixtral" else {}),
    }
    model = getattr(hf, f"{family}ForCausalLM")(getattr(hf, f"{family}Config")(**settings)).eval()
    requests = [GenerationRequest(prompt(seed, 5 + 6 * seed), None, Sampling(8)) for seed in range(3)]
    wanted = [hf_generate(model, request.prompt_ids, new=8) for request in requests]
    with Engine(model, byte_tokenizer()) as engine:
        assert [tokens(run(engine, request))[0] for request in requests] == wanted
        assert tokens(run(engine, *requests)) == wanted


def test_a_model_that_leaves_positions_out_of_long_rows_has_the_context_before_that():
    model = hf.DogeForCausalLM(hf.DogeConfig(**COMMON, keep_window_size=64))
    assert context_length(model) == 64
