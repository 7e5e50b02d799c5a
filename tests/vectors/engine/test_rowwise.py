"""Rows that each go through the model's own forward, with its own cache, still share their products."""

from dataclasses import replace

import pytest
import torch
import transformers as hf

from tests.vectors.engine.batches import busy, hooked_logits, run, tokens
from tests.vectors.engine.test_soundness import COMMON, falcon_h1, greedy
from tests.vectors.tiny import byte_tokenizer, prompt, tiny_model
from vectors.engine import meeting
from vectors.engine.engine import Engine
from vectors.engine.hooks import running_pass
from vectors.engine.meeting import _answers as answers
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import GenerationFault
from vectors.models.blocks import decoder_blocks
from vectors.steering.intervention import Intervention


def bloom():
    """Positions that are a slope of each head's scores."""
    heads = {"n_layer": 2, "n_head": 4, "vocab_size": 258, "hidden_size": 64}
    return hf.BloomForCausalLM(hf.BloomConfig(**heads, eos_token_id=None, initializer_range=0.15))


def mamba():
    """A state alone, which begins anew with each prompt of more than a token."""
    return hf.MambaForCausalLM(hf.MambaConfig(**COMMON, state_size=8, initializer_range=0.15))


def opened(make):
    torch.manual_seed(0)
    model = make().float().eval()
    return model, Engine(model, byte_tokenizer(), endless=True)


def requests(new=6, lengths=(5, 23, 1, 40), **sampling):
    steering = (Intervention(torch.randn(64, generator=torch.Generator().manual_seed(1)), 1, 3.0),)
    return [
        GenerationRequest(prompt(i, length), ((), steering)[i % 2], Sampling(new, **sampling))
        for i, length in enumerate(lengths)
    ]


def own_tokens(model, request):
    return greedy(lambda ids: hooked_logits(model, ids, request.steering), request)


@pytest.mark.parametrize("make", [bloom, mamba, falcon_h1])
def test_the_newest_tokens_of_all_rows_share_each_product_and_are_the_models_own(make, monkeypatch):
    model, engine = opened(make)
    together = requests()
    wanted = [own_tokens(model, request) for request in together]
    served = []
    monkeypatch.setattr(meeting, "_answers", lambda alike: (served.append(len(alike)), answers(alike))[1])
    with engine:
        assert tokens(run(engine, *together)) == wanted
    products = len(served) // 6
    assert served == [2] * products + [4] * 5 * products  # two of the prompts are no longer than an answer's


@pytest.mark.parametrize(("make", "in_pieces"), [(bloom, True), (mamba, False), (falcon_h1, True)])
def test_a_prompt_comes_in_pieces_where_the_model_goes_on_from_a_part_and_whole_where_it_does_not(
    make, in_pieces, monkeypatch
):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    model, engine = opened(make)
    together = requests(lengths=(5, 23, 40))
    wanted = [own_tokens(model, request) for request in together]
    longest = []
    with engine:
        original = engine._forward.run
        monkeypatch.setattr(
            engine._forward,
            "run",
            lambda batch, resume=None: (
                longest.append(max(len(piece.token_ids) for piece in batch.pieces)),
                original(batch, resume),
            )[1],
        )
        assert tokens(run(engine, *together)) == wanted
    # A whole prompt begins while there is room in the budget of a pass, and no other beside it after that.
    assert max(longest) == (16 if in_pieces else 40)
    assert longest[:2] == ([11, 12] if in_pieces else [23, 40])


def test_sampled_rows_are_those_that_they_are_alone():
    _, engine = opened(falcon_h1)
    together = [
        GenerationRequest(each.prompt_ids, each.steering, Sampling(8, temperature=0.9, seed=number))
        for number, each in enumerate(requests())
    ]
    with engine:
        alone = [tokens(run(engine, request))[0] for request in together]
        assert tokens(run(engine, *together)) == alone
    assert len({tuple(each) for each in alone}) == len(alone)


@pytest.mark.parametrize("make", [bloom, mamba])
def test_a_fault_stays_with_its_row_and_the_others_are_computed_anew(make):
    model, engine = opened(make)
    together = requests(new=8)
    wanted = [own_tokens(model, request) for request in together]

    def fail(*_called):
        (piece,) = running_pass().pieces
        if piece.steering and piece.end == 27:  # of the second row, where it has met the others four times
            raise RuntimeError("no memory left")

    with engine:
        handle = decoder_blocks(model)[1].register_forward_hook(fail)
        with busy(engine):
            tickets = engine.submit_all(together)
        with pytest.raises(GenerationFault, match="no memory left"):
            tickets[1].result(60)
        assert tokens(tickets[number].result(60) for number in (0, 2, 3)) == [wanted[0], *wanted[2:]]
        handle.remove()
        assert tokens(run(engine, *together)) == wanted


def test_a_model_that_makes_no_cache_computes_a_row_anew_for_each_token():
    torch.manual_seed(0)
    model = bloom().eval()
    together = requests()
    wanted = [own_tokens(model, request) for request in together]
    forget(model)
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        assert tokens(run(engine, *together)) == wanted


def forget(model):
    """Have a model hand back no cache, as the oldest do."""
    own = model.forward

    def forward(**inputs):
        output = own(**{**inputs, "use_cache": False, "past_key_values": None})
        output.past_key_values = None
        return output

    model.forward = forward


def lfm2():
    """Convolutions beside attention, which share passes but remember what is in no cache."""
    return tiny_model("lfm2")


@pytest.mark.parametrize("make", [bloom, falcon_h1, lfm2])
def test_rows_go_on_from_where_another_steered_alike_has_ended_and_leave_that_as_it_was(make):
    torch.manual_seed(0)
    bare = make().float().eval()  # an engine packs what it batches
    _, engine = opened(make)
    first = replace(requests()[3], steering=(replace(requests()[3].steering[0], alpha=2.0),))
    with engine:
        (before,) = run(engine, first)
        known = first.prompt_ids + before.token_ids[:-1]  # the last one has not been computed
        later = [replace(first, prompt_ids=known + prompt(seed, 3 + seed)) for seed in range(3)]
        later.append(replace(later[0], steering=()))
        later.append(replace(later[0], prompt_ids=known[:-1] + prompt(5, 4)))
        found = [run(engine, request)[0] for request in later]
    assert tokens(found) == [own_tokens(bare, request) for request in later]
    assert [each.reused_tokens for each in found] == [len(known)] * 3 + [0, 0]


def test_no_row_goes_on_from_another_where_a_prompt_has_to_come_whole():
    model, engine = opened(mamba)
    first = requests()[3]
    with engine:
        (before,) = run(engine, first)
        later = replace(first, prompt_ids=first.prompt_ids + before.token_ids + prompt(1, 3))
        (found,) = run(engine, later)
    assert tokens([found]) == [own_tokens(model, later)]
    assert found.reused_tokens == 0


def test_a_residual_stream_in_float32_is_steered_in_a_model_of_fewer_bits():
    torch.manual_seed(0)
    model = mamba().bfloat16().eval()
    steered = requests()[3]
    with Engine(model, byte_tokenizer(), endless=True) as engine:
        found = run(engine, steered, replace(steered, steering=()))
    assert tokens(found[:1]) != tokens(found[1:])


def bamba():
    """A state in the first block, from whose cache the model counts no positions."""
    mamba = {"mamba_n_heads": 4, "mamba_d_head": 32, "mamba_d_state": 8, "mamba_n_groups": 1}
    return hf.BambaForCausalLM(
        hf.BambaConfig(**COMMON, **mamba, mamba_chunk_size=8, attn_layer_indices=[1], initializer_range=0.15)
    )


def test_a_model_that_counts_positions_wrongly_from_its_cache_is_told_them_and_computes_nothing_anew():
    model, engine = opened(bamba)
    together = requests()
    wanted = [own_tokens(model, request) for request in together]
    computed = []
    with engine:
        model.register_forward_pre_hook(
            lambda _model, _args, given: computed.append(given["input_ids"].shape[1]), with_kwargs=True
        )
        assert tokens(run(engine, *together)) == wanted
    assert sum(computed) == sum(len(each.prompt_ids) + 5 for each in together)
