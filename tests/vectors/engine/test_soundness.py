"""Models whose blocks do more than a batched pass knows of are found, of whatever family."""

import pytest
import torch
import transformers as hf

from tests.vectors.engine.batches import hooked_logits, run, tokens
from tests.vectors.tiny import byte_tokenizer, hf_generate, prompt, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.ragged import Pass
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.errors import UnsupportedModel
from vectors.models.blocks import context_length
from vectors.steering.intervention import Intervention

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


def diff_llama():
    """The difference of two attentions."""
    return hf.DiffLlamaForCausalLM(hf.DiffLlamaConfig(**COMMON))


def gpt_j():
    """Attention that is all its own, and rotary positions that it keeps a table of."""
    return hf.GPTJForCausalLM(
        hf.GPTJConfig(
            vocab_size=258, n_embd=64, n_layer=2, n_head=4, rotary_dim=8, bos_token_id=None, eos_token_id=None
        )
    )


MADE = {
    "falcon_h1": (falcon_h1, "layers of the kind hybrid"),
    "llama4": (llama4, "layers of the kind chunked_attention"),
    "diff_llama": (diff_llama, "block 0 attends twice"),
    "gpt_j": (gpt_j, "do not attend once through transformers"),
}


def why_apart(model, caplog):
    """What is said of a model as it is opened."""
    with Engine(model.float().eval(), byte_tokenizer()):
        return caplog.text


@pytest.mark.parametrize("name", MADE)
def test_rows_of_a_model_with_something_beside_plain_attention_run_apart_and_give_its_own_tokens(
    name, caplog
):
    torch.manual_seed(0)
    make, reason = MADE[name]
    model = make().float().eval()
    steering = (Intervention(torch.randn(64), 1, 3.0),)
    requests = [
        GenerationRequest(prompt(seed, 5 + 20 * seed), steered, Sampling(6))
        for seed in range(3)
        for steered in ((), steering)
    ]
    wanted = [
        greedy(lambda ids, request=request: hooked_logits(model, ids, request.steering), request)
        for request in requests
    ]
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        assert reason in caplog.text and "through its own forward" in caplog.text
        assert [tokens(run(engine, request))[0] for request in requests] == wanted
        assert tokens(run(engine, *requests)) == wanted
        scores = run(
            engine, *(scoring(each.prompt_ids, new) for each, new in zip(requests, wanted, strict=True))
        )
    for request, new, score in zip(requests, wanted, scores, strict=True):
        own = hooked_logits(model, [*request.prompt_ids, *new]).log_softmax(-1)[
            len(request.prompt_ids) - 1 : -1
        ]
        assert torch.allclose(own[range(6), new], torch.tensor(score.logprobs), atol=1e-4)


def greedy(logits_of, request):
    """The likeliest tokens after a prompt, everything computed anew for each."""
    ids = list(request.prompt_ids)
    for _ in range(request.sampling.max_new_tokens):
        ids.append(int(logits_of(ids)[-1].argmax()))
    return ids[len(request.prompt_ids) :]


def test_a_model_whose_tokens_know_of_later_ones_is_refused_in_a_line():
    torch.manual_seed(0)
    model = hf.BertLMHeadModel(hf.BertConfig(**{**COMMON, "num_key_value_heads": 4}, is_decoder=False)).eval()
    with pytest.raises(UnsupportedModel, match="cannot be run rightly") as refused:
        Engine(model, byte_tokenizer())
    assert "\n" not in str(refused.value)


@pytest.fixture
def _no_kinds(monkeypatch):
    """As if no config told what kinds of layers its model has."""
    monkeypatch.setattr("vectors.engine.soundness.text_config", lambda _model: None)


@pytest.mark.usefixtures("_no_kinds")
def test_a_state_beside_attention_is_found_where_no_config_tells_of_it_however_little_it_weighs(caplog):
    torch.manual_seed(0)
    model = falcon_h1()
    for name, weight in model.named_parameters():
        if "mamba" in name and weight.dim() > 1:
            weight.data.mul_(1e-6)
    assert "more than attention" in why_apart(model, caplog)


@pytest.mark.usefixtures("_no_kinds")
def test_a_mask_of_the_models_own_is_found_where_no_config_tells_of_it(caplog):
    torch.manual_seed(0)
    assert "attends in a way of its own" in why_apart(llama4(), caplog)


def test_a_model_is_left_bare_where_it_cannot_be_batched(caplog):
    torch.manual_seed(0)
    model = diff_llama().eval()
    before = hf_generate(model, prompt(1, 20))
    assert why_apart(model, caplog)
    assert hf_generate(model, prompt(1, 20)) == before
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "mistake",
    [
        "a window counted otherwise",
        "rows that see one another",
        "steering that is lost",
        "a cache that forgets",
    ],
)
def test_a_batched_pass_that_would_be_wrong_shows_before_the_first_request(mistake, monkeypatch, caplog):
    attend, after_block = Pass.attend, Pass.after_block

    def wrong(batch, layer, queries, keys, values, scale, window=None, extra=None):
        if mistake == "a window counted otherwise" and window is not None:
            window += 1
        if mistake == "a cache that forgets":
            keys = keys * 0.9
        seen = attend(batch, layer, queries, keys, values, scale, window, extra)
        return seen.roll(1, 0) if mistake == "rows that see one another" else seen

    monkeypatch.setattr(Pass, "attend", wrong)
    if mistake == "steering that is lost":
        monkeypatch.setattr(Pass, "after_block", lambda *args: after_block(*args) * 1.01)
    model = tiny_model("gemma3")
    if mistake == "steering that is lost":
        with pytest.raises(UnsupportedModel, match="where it is steered"):
            Engine(model, byte_tokenizer())
    else:
        assert "away from the model's own" in why_apart(model, caplog)


def mixtral():
    return hf.MixtralForCausalLM(hf.MixtralConfig(**COMMON, initializer_range=0.15, num_local_experts=4))


def olmo2():
    return hf.Olmo2ForCausalLM(hf.Olmo2Config(**COMMON, initializer_range=0.15))


@pytest.mark.parametrize("make", [mixtral, olmo2])
def test_families_that_nobody_has_tried_here_give_their_own_tokens_alone_and_in_a_batch(make, caplog):
    torch.manual_seed(0)
    model = make().eval()
    requests = [GenerationRequest(prompt(seed, 5 + 6 * seed), (), Sampling(8)) for seed in range(3)]
    wanted = [hf_generate(model, request.prompt_ids, new=8) for request in requests]
    with Engine(model, byte_tokenizer()) as engine:
        assert not caplog.text
        assert [tokens(run(engine, request))[0] for request in requests] == wanted
        assert tokens(run(engine, *requests)) == wanted


def test_a_model_that_leaves_positions_out_of_long_rows_has_the_context_before_that():
    model = hf.DogeForCausalLM(hf.DogeConfig(**COMMON, keep_window_size=64))
    assert context_length(model) == 64
