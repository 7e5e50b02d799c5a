"""A fault fails the row that causes it, and leaves nothing behind that another row could meet."""

from dataclasses import replace

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from tests.vectors.engine import batches
from tests.vectors.tiny import VOCAB, byte_tokenizer, prompt, random_vector, steer, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import EngineClosed, GenerationFault, VectorsError
from vectors.models.blocks import decoder_blocks
from vectors.steering.intervention import Intervention


def test_a_callback_that_raises_fails_its_own_request_alone(qwen3, engine):
    def broken(_text):
        raise KeyError("the caller's own fault")

    requests = batches.mixed_requests(qwen3)
    requests[1] = replace(requests[1], on_token=broken)
    tickets = engine.submit_all(requests)
    with pytest.raises(GenerationFault, match="on_token raised KeyError") as caught:
        tickets[1].result(60)
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert "in broken" in cause.__notes__[0], "where it happened is told"
    assert cause.__traceback__ is None, "frames would keep the tensors of the pass"
    rest = [0, *range(2, len(requests))]
    found = [list(tickets[row].result(60).token_ids) for row in rest]
    assert found == batches.oracle_tokens(qwen3, [requests[row] for row in rest])


POISON = 250


@pytest.mark.parametrize("chunk", [256, 8])
@pytest.mark.parametrize("block", [0, 3])
def test_a_fault_inside_a_pass_fails_the_row_that_causes_it_and_changes_no_other(
    model, monkeypatch, chunk, block
):
    """The pass that holds a poisoned row has run some blocks, and their memory, for the others before."""
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", chunk)
    clean = [
        replace(request, prompt_ids=tuple(token % POISON for token in request.prompt_ids))
        for request in batches.mixed_requests(model)
    ]
    poisoned = GenerationRequest((*prompt(7, 9), POISON, *prompt(8, 9)), sampling=Sampling(batches.NEW))
    seen = []

    def note(_module, args, kwargs=None):
        seen[:] = [(kwargs or {}).get("input", args[0] if args else None)]

    def fail(*_args):
        if (seen[0] == POISON).any():
            raise RuntimeError("out of memory")

    wanted = batches.oracle_tokens(model, clean)
    assert not any(POISON in row for row in wanted)
    with Engine(model, byte_tokenizer()) as engine:
        handles = [model.get_input_embeddings().register_forward_pre_hook(note)]
        if engine._forward.resumable:  # its blocks are not called, but a part of each is
            place = model.model.layers[block].self_attn.o_proj
            original = place.plus
            monkeypatch.setattr(place, "plus", lambda *args: (fail(), original(*args))[1])
        else:
            handles.append(decoder_blocks(model)[block].register_forward_hook(fail))
        tickets = engine.submit_all([*clean[:3], poisoned, *clean[3:]])
        sick = tickets.pop(3)
        with pytest.raises(GenerationFault, match="out of memory"):
            sick.result(60)
        assert [list(ticket.result(60).token_ids) for ticket in tickets] == wanted
        for handle in handles:
            handle.remove()
        assert batches.tokens(batches.run(engine, *clean)) == wanted
    assert batches.left_behind(engine) == (0, 0, 0)


def test_after_a_fault_the_model_is_bare_to_the_bit(model):
    ids = torch.tensor([prompt(9, 11)])
    with Engine(model, byte_tokenizer()) as engine, torch.inference_mode():
        before = model(input_ids=ids).logits
        broken = replace(batches.mixed_requests(model)[1], on_token=lambda _: 1 / 0)
        with pytest.raises(VectorsError):
            batches.run(engine, broken)
        assert torch.equal(model(input_ids=ids).logits, before)
    with torch.inference_mode():
        torch.testing.assert_close(
            model(input_ids=ids).logits[0], batches.oracle_logits(model, ids[0].tolist())
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_logits_that_are_not_finite_fail_their_row_alone_and_leave_nothing_in_the_cache(dtype):
    model = tiny_model("qwen3", dtype)
    overflow = (Intervention(random_vector(1), 1, 3e38, "multiply"),)
    well = [GenerationRequest(prompt(row, 5 + 30 * row), sampling=Sampling(batches.NEW)) for row in range(3)]
    with Engine(model, byte_tokenizer()) as engine:
        alone = [batches.run(engine, each)[0].token_ids for each in well]
    with Engine(model, byte_tokenizer()) as engine:
        sick = [GenerationRequest(prompt(8, 60), overflow, Sampling(batches.NEW)) for _ in range(3)]
        for _ in range(2):  # the second time in blocks that sick rows have had
            tickets = engine.submit_all([sick[0], well[0], sick[1], well[1], sick[2], well[2]])
            for ticket in tickets[::2]:
                with pytest.raises(GenerationFault, match="not finite"):
                    ticket.result(60)
            assert [ticket.result(60).token_ids for ticket in tickets[1::2]] == alone
            engine.submit(sick[0]).cancel()
    assert batches.left_behind(engine) == (0, 0, 0)


@pytest.mark.parametrize("passes", [1, 4])
def test_a_row_cancelled_before_anyone_knew_that_it_is_not_finite_poisons_no_later_row(
    qwen3, monkeypatch, passes
):
    monkeypatch.setattr("vectors.engine.scheduler._PROMPT_TOKENS", 16)
    sick = GenerationRequest(prompt(8, 100), (Intervention(random_vector(1), 1, 3e38, "multiply"),))
    well = [GenerationRequest(prompt(row, 3 + 40 * row), sampling=Sampling(batches.NEW)) for row in range(3)]
    with Engine(qwen3, byte_tokenizer(), cache_tokens=512) as engine:
        short = replace(sick, sampling=Sampling(batches.NEW))
        generation, _ = batches.cancelled_at_pass(passes, engine, short, monkeypatch)
        assert generation.finish_reason == "cancelled"
        while engine._prefixes.evict():  # the engine is idle
            pass
        assert batches.tokens(batches.run(engine, *well)) == batches.oracle_tokens(qwen3, well)


def test_a_tokenizer_that_cannot_decode_a_token_fails_the_row_that_chose_it(qwen3):
    whole, other = batches.mixed_requests(qwen3)[0], batches.mixed_requests(qwen3)[1]
    (wanted, rest) = batches.oracle_tokens(qwen3, [whole, other])
    fatal = next(token for token in wanted[2:] if token not in rest)

    class Fragile:
        eos_token_id = byte_tokenizer().eos_token_id

        def decode(self, token_ids, **kwargs):
            if fatal in token_ids:
                raise UnicodeError("no such token")
            return byte_tokenizer().decode(token_ids, **kwargs)

    with Engine(qwen3, Fragile()) as engine:
        broken, well = engine.submit_all([whole, other])
        with pytest.raises(GenerationFault, match="no such token"):
            broken.result(60)
        assert list(well.result(60).token_ids) == rest


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("place", ["free", "copy", "allocate"])
def test_a_fault_of_the_engine_itself_leaves_nobody_waiting_and_closes_it(qwen3, monkeypatch, place):
    """Memory that cannot be used any more, as after a fault of the device."""

    def broken(*_args, **_kwargs):
        raise RuntimeError("the device is gone")

    ids = prompt(1, 60)
    with Engine(qwen3, byte_tokenizer(), max_rows=2) as engine:
        batches.run(engine, GenerationRequest(ids, sampling=Sampling(2)))
        monkeypatch.setattr(engine._cache, place, broken)
        lengths = (50, 20, 49, 19, 48)
        requests = [GenerationRequest(ids[:length], sampling=Sampling(3 + length % 7)) for length in lengths]
        tickets = engine.submit_all(requests)
        ended = []
        for ticket in tickets:
            try:
                ended.append(ticket.result(60).finish_reason)
            except GenerationFault as fault:
                assert "the device is gone" in str(fault)
                ended.append("fault")
        assert "fault" in ended
        with pytest.raises(EngineClosed):
            engine.submit(requests[0])


def test_a_model_whose_attention_is_not_torchs_keeps_its_own_outside_of_passes_and_is_left_as_it_was():
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "head_dim": 16}
    heads = {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "attn_logit_softcapping": 5.0,
        "sliding_window": 8,
    }
    model = Gemma2ForCausalLM(Gemma2Config(vocab_size=VOCAB, pad_token_id=257, **shape, **heads)).eval()
    implementation, ids = model.config._attn_implementation, torch.tensor([prompt(1, 12)])
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        with Engine(model, byte_tokenizer()) as engine:
            scored = engine.score(prompt(1, 12)[:1], prompt(1, 12)[1:]).result(60)
        own = before[0, :-1].log_softmax(-1)[range(11), list(prompt(1, 12)[1:])]
        torch.testing.assert_close(torch.tensor(scored.logprobs), own, atol=1e-4, rtol=0)
        assert model.config._attn_implementation == implementation
        torch.testing.assert_close(model(input_ids=ids).logits, before, atol=0, rtol=0)


def test_rows_of_a_model_that_does_not_attend_through_transformers_run_apart_and_it_is_left_as_it_was(caplog):
    model = tiny_model("gemma3")
    attention = decoder_blocks(model)[1].self_attn
    plain, implementation = attention.forward, model.config._attn_implementation
    attention.forward = lambda hidden_states, **_: (hidden_states * 0.5, None)
    Engine(model, byte_tokenizer()).close()
    assert "blocks [1]" in caplog.text and "through its own forward" in caplog.text
    assert model.config._attn_implementation == implementation
    attention.forward = plain
    request = GenerationRequest(prompt(1, 30), steer(batches.bare(model), 1, 0.8), Sampling(4))
    with Engine(model, byte_tokenizer()) as engine:
        assert batches.tokens(batches.run(engine, request)) == batches.oracle_tokens(model, [request])
