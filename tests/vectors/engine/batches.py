"""Requests that differ in everything, and ways to run them together: by an engine, or pass by pass."""

import threading
from contextlib import contextmanager
from functools import cache

import torch

from tests.vectors.tiny import hf_generate, prompt, steer, tiny_model
from vectors.engine.hf_forward import HFForward
from vectors.engine.kvcache import KeyValueCache
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.ragged import Pass, Piece
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.models.blocks import decoder_blocks
from vectors.steering.positions import GENERATED, Layout
from vectors.steering.row_steering import RowSteering

NEW = 12
LENGTHS = (5, 23, 1, 14, 40, 9, 2)


@cache
def _bare(family):
    return tiny_model(family)


def bare(model):
    """A model of the same family and weights that no engine has ever packed or hooked: the oracle's."""
    return _bare(model.config.model_type.split("_")[0])


def mixed_steerings(model):
    """Own vector, layer, α, mode and positions for every row but the first and the fourth."""
    model = bare(model)
    return [
        (),
        steer(model, 1, 0.8, seed=1),
        steer(model, 2, 0.8, seed=2, operation="multiply"),
        (),
        steer(model, 0, 0.6, seed=3, positions=GENERATED),
        steer(model, 3, 1.0, seed=4),
        steer(model, 1, 0.8, seed=5, operation="multiply", positions=GENERATED),
    ]


def mixed_requests(model):
    prompts = [prompt(i, length) for i, length in enumerate(LENGTHS)]
    return [
        GenerationRequest(ids, steering, Sampling(NEW))
        for ids, steering in zip(prompts, mixed_steerings(model), strict=True)
    ]


@contextmanager
def busy(engine):
    """Keep the engine busy, so that what is submitted inside waits together and shares a batch."""
    release, began = threading.Event(), threading.Event()
    blocker = GenerationRequest(
        (1,), sampling=Sampling(1), on_token=lambda _: (began.set(), release.wait(60))
    )
    ticket = engine.submit(blocker)
    assert began.wait(60)
    try:
        yield
    finally:
        release.set()
        ticket.result(60)


def cancelled_at_pass(number, engine, request, monkeypatch):
    """Submit a request and cancel it as its pass `number`, from 1, begins.

    Returns its generation, and of each pass that the engine ran where it went on from a reused block.
    """
    original, resumed = engine._forward.run, []

    def count(batch, resume=None):
        resumed.append(resume)
        if len(resumed) == number:
            ticket.cancel()
        return original(batch, resume)

    with busy(engine):
        monkeypatch.setattr(engine._forward, "run", count)
        ticket = engine.submit(request)
    return ticket.result(60), resumed


@contextmanager
def stopped_after(engine, passes):
    """Let the engine do so many passes more, then hold it where it is until this is left."""
    go_on, left, original = threading.Event(), [passes], engine._forward.run

    def held(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            go_on.wait()
        return original(*args, **kwargs)

    engine._forward.run = held
    try:
        yield
    finally:
        engine._forward.run = original
        go_on.set()


def run(engine, *requests):
    """Run the requests in one batch and wait for all."""
    return [ticket.result(60) for ticket in engine.submit_all(requests)]


def tokens(generations):
    return [list(generation.token_ids) for generation in generations]


_generated = {}


def oracle_tokens(model, requests):
    """The tokens of transformers' own greedy generate for each request, alone, under a plain hook."""
    found = []
    for request in requests:
        steering, new = request.steering, request.sampling.max_new_tokens
        alike = [
            (each.layer, each.alpha, each.operation, each.positions, *each.vector.tolist())
            for each in steering
        ]
        key = (model.config.model_type, request.prompt_ids, *alike, new)
        if key not in _generated:
            _generated[key] = hf_generate(bare(model), request.prompt_ids, steering, new)
        found.append(list(_generated[key]))
    return found


def left_behind(engine):
    """Rows, and tokens of the cache once the kept prefixes are dropped, that a closed engine still holds."""
    while engine._prefixes.evict():
        pass
    stats = engine.stats()
    return stats.running, stats.waiting, stats.cache_tokens_used


def oracle_logits(model, ids, steering=(), prompt_len=0):
    """Logits [tokens, vocab] of the bare model over all of `ids` at once, under a hook written down here."""
    return hooked_logits(bare(model), ids, steering, prompt_len)


@torch.inference_mode()
def hooked_logits(model, ids, steering=(), prompt_len=0):
    """The same of a model as it is."""
    start, handles = 0, []
    if steering:
        (only,) = steering
        start = prompt_len if only.positions == GENERATED else 0
        delta = only.alpha * only.vector / only.vector.norm()

        def hook(_block, _args, output):
            hidden = (output if isinstance(output, torch.Tensor) else output[0]).clone()
            each = hidden.unflatten(-1, (-1, len(delta)))  # some have several streams side by side
            each[:, start:] += delta if only.operation == "add" else each[:, start:] * delta
            return hidden if isinstance(output, torch.Tensor) else type(output)([hidden, *output[1:]])

        handles.append(decoder_blocks(model)[only.layer].register_forward_hook(hook))
    try:
        return model(input_ids=torch.tensor([list(ids)])).logits[0]
    finally:
        for handle in handles:
            handle.remove()


class ByHand:
    """The engine's forward and cache without its thread: passes are run one by one, to see their logits."""

    def __init__(self, model):
        like = model.get_input_embeddings().weight
        self.dtype, self.device = like.dtype, like.device
        self.forward = LlamaForward(model) if LlamaForward.fits(model) else HFForward(model)
        self.cache = KeyValueCache(self.forward.shapes, 4096, self.dtype, self.device)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.forward.detach()

    def row(self, request):
        """A piece of no tokens yet, in a block of its own; `grown` adds to it."""
        steering = RowSteering.of(request.steering, Layout(len(request.prompt_ids)), self.device)
        block = self.cache.allocate(len(request.prompt_ids) + request.sampling.max_new_tokens)
        return Piece(block, 0, (), steering)

    @torch.inference_mode()
    def run(self, *pieces, resume=None):
        """Run pieces in one pass; logits [wanted, vocab] of each, in the order given."""
        batch = Pass(pieces, self.cache, self.device)
        start = resume and (resume[0], torch.cat([resume[1][piece] for piece in batch.pieces]))
        logits = self.forward.run(batch, start)
        parts = dict(zip(batch.pieces, logits.split([len(p.wanted) for p in batch.pieces]), strict=True))
        return [parts[piece] for piece in pieces]

    def logits(self, requests, steps=(), chunk=512):
        """Logits [rows, 1 + steps, vocab] after each prompt and each forced token, all rows in one batch."""
        pieces = [self.row(request) for request in requests]
        todo = [[*request.prompt_ids] for request in requests]
        seen = [[] for _ in requests]
        for step in [None, *steps]:
            if step is not None:
                todo = [[step] for _ in requests]
            while any(todo):
                now = [row for row, ids in enumerate(todo) if ids]
                for row in now:
                    pieces[row] = grown(pieces[row], todo[row][:chunk], last=len(todo[row]) <= chunk)
                    todo[row] = todo[row][chunk:]
                for row, found in zip(now, self.run(*(pieces[row] for row in now)), strict=True):
                    seen[row].extend(found)
        for piece in pieces:
            self.cache.free(piece.block)
        return torch.stack([torch.stack(row) for row in seen])


def grown(piece, ids, *, last=True):
    """The piece that follows `piece` in its row: `ids`, of whose last the logits are wanted where `last`."""
    end = piece.end + len(ids)
    wanted = (end - 1,) if last else ()
    return Piece(piece.block, piece.end, ids, piece.steering, wanted, {}, piece.states)
