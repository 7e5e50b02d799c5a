"""The peer that everyone has: transformers' own `generate` with a forward hook that steers.

The model is a plain one, loaded by transformers itself, with the cache and scaled dot product attention on,
in inference mode and on as many threads as the engine has: nothing is held back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.generation.streamers import BaseStreamer

from vectors.bench.traces import Clock, Job, Trace, trace_of
from vectors.engine.requests import GenerationRequest
from vectors.models.blocks import decoder_blocks
from vectors.models.llama import LlamaForCausalLM
from vectors.models.residual import residual, with_residual
from vectors.steering.intervention import Steering
from vectors.steering.positions import ALL
from vectors.threads import in_own_thread


class HfPeer:
    """A plain transformers model that serves jobs one request after the other, or as one padded batch."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str) -> None:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa", use_safetensors=True, local_files_only=True
        )
        self.model = model.to(device).eval().requires_grad_(False)
        never_ending(self.model)

    def serve(self, job: Job) -> Trace:
        """One `generate` for each request, in the order in which they arrive, each with its own hook."""
        clock = Clock()
        token_ids, times = [], []
        arrivals = job.arrivals_s or (0.0,) * len(job.requests)
        for arrival, request in zip(arrivals, job.requests, strict=True):
            clock.sleep_until(arrival)
            with _hooked(self.model, request.steering):
                rows, moments = in_own_thread(self._generate, [request], clock)
            token_ids += rows
            times.append(moments)
        return trace_of(job, token_ids, times, clock.now())

    def serve_batch(self, job: Job) -> Trace:
        """All requests as one batch, padded on the left, unsteered: a hook knows no rows of their own."""
        clock = Clock()
        token_ids, moments = in_own_thread(self._generate, job.requests, clock)
        return trace_of(job, token_ids, [moments] * len(token_ids), clock.now())

    @torch.inference_mode()
    def _generate(
        self, requests: Sequence[GenerationRequest], clock: Clock
    ) -> tuple[list[list[int]], list[float]]:
        width = max(len(request.prompt_ids) for request in requests)
        padding = [width - len(request.prompt_ids) for request in requests]
        rows = [[0] * pad + list(each.prompt_ids) for pad, each in zip(padding, requests, strict=True)]
        ids = torch.tensor(rows, device=self.model.device)
        mask = torch.arange(width).unsqueeze(0) >= torch.tensor(padding).unsqueeze(1)
        noted = _Moments(clock)
        output: Tensor = self.model.generate(
            ids,
            attention_mask=mask.long().to(ids.device),
            do_sample=False,
            use_cache=True,
            max_new_tokens=requests[0].sampling.max_new_tokens,
            pad_token_id=0,
            streamer=noted,
        )
        return output[:, width:].tolist(), noted.times


def never_ending(model: PreTrainedModel | LlamaForCausalLM) -> None:
    """Make the end of sequence a token like any other, so that every generation has its full length."""
    if isinstance(model, LlamaForCausalLM):
        model.generation_config = model.generation_config._replace(eos_token_id=None)
    else:  # `generate` looks in both places
        model.config.eos_token_id = model.generation_config.eos_token_id = None


class _Moments(BaseStreamer):  # type: ignore[misc]
    """Notes when each new token comes; the first thing that `generate` hands it is the prompt."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._prompt_seen = False
        self.times: list[float] = []

    def put(self, value: Tensor) -> None:
        del value
        if self._prompt_seen:
            self.times.append(self._clock.now())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing is held back that would have to be handed out."""


@contextmanager
def _hooked(model: nn.Module, steering: Steering) -> Iterator[None]:
    """Steer the way everyone does it: a hook that adds one vector at every position, for one `generate`."""
    if not steering:
        yield
        return
    (one,) = steering
    assert (one.operation, one.positions) == ("add", ALL)
    parameter = next(model.parameters())
    delta = one.delta().to(parameter.device, parameter.dtype)

    def hook(_block: nn.Module, _args: object, output: object) -> object:
        return with_residual(output, residual(output) + delta)

    handle = decoder_blocks(model)[one.layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
