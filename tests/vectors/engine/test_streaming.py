"""Text that is streamed into an event loop."""

import asyncio

import pytest

from tests.vectors.engine.batches import stopped_after
from tests.vectors.tiny import CONTEXT, byte_tokenizer, prompt, tiny_model
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import GenerationFault, InvalidRequest

REQUEST = GenerationRequest(prompt(1, 6), sampling=Sampling(40))


async def test_the_pieces_of_a_stream_joined_are_the_text(engine):
    whole = (await engine.submit(REQUEST)).text
    pieces = [piece async for piece in engine.stream(REQUEST)]
    assert "".join(pieces) == whole
    assert len(pieces) > 1 and all(pieces)


async def test_the_first_piece_arrives_while_the_generation_goes_on(engine):
    stream = engine.stream(GenerationRequest(prompt(1, 6), sampling=Sampling(CONTEXT - 10)))
    with stopped_after(engine, passes=20):
        assert await anext(stream)
        assert engine.stats().running == 1
        await stream.aclose()


async def test_whoever_leaves_a_stream_cancels_its_generation():
    with Engine(tiny_model("qwen3"), byte_tokenizer()) as engine:
        stream = engine.stream(GenerationRequest(prompt(1, 6), sampling=Sampling(CONTEXT - 10)))
        with stopped_after(engine, passes=20):
            await anext(stream)
            await stream.aclose()
        while engine.stats().running:
            await asyncio.sleep(0.01)
        assert engine.stats().done.new_tokens < CONTEXT - 10


async def test_a_stream_raises_what_its_generation_fails_with(qwen3, engine):
    def broken(*_args):
        raise RuntimeError("out of memory")

    handle = qwen3.get_input_embeddings().register_forward_hook(broken)
    try:
        with pytest.raises(GenerationFault, match="out of memory"):
            async for _ in engine.stream(REQUEST):
                pass
    finally:
        handle.remove()


async def test_a_request_that_is_wrong_raises_at_the_first_step(engine):
    with pytest.raises(InvalidRequest):
        await anext(engine.stream(GenerationRequest(())))
