"""The sides of a ratio at work: models and peers, opened on first use, and one pass of a side on a job."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn

from vectors.bench.machine import read_bandwidth
from vectors.bench.peer_llamacpp import LlamaCpp
from vectors.bench.peers_hf import HfPeer, never_ending
from vectors.bench.report import Agreement, ModelFacts
from vectors.bench.table import MEMORY, Precision, RowSpec, Side, WorkloadName
from vectors.bench.traces import Job, Trace, serve
from vectors.bench.workloads import ARRIVAL_LOAD, Workloads
from vectors.engine.engine import Engine
from vectors.engine.forward import packed_of
from vectors.engine.packing import FusedLinear
from vectors.errors import InvalidRequest
from vectors.models.loading import LanguageModel, default_dtype, load_model, pull
from vectors.progress import Progress
from vectors.threads import in_own_thread

_ENGINE_ROWS = 32  # as many as the engine has that solves tasks
_WARM_REQUESTS = 8  # of a server that takes them one by one: all of them would take as long as a repetition


@dataclass(frozen=True)
class Pass:
    """The rate of one side in one repetition, and the tokens it gave; the memory gives none."""

    tokens_per_s: float
    token_ids: tuple[tuple[int, ...], ...] = ()


class Sides:
    """Everything that is measured, for one model. Use as a context manager."""

    def __init__(self, name: str, cache: Path, progress: Progress) -> None:
        self._name, self._cache, self._progress = name, cache, progress
        self._folder = pull(name, cache=cache, progress=progress)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._best = _name(default_dtype(self.device))
        self._open = ExitStack()
        self._loaded: dict[str, LanguageModel] = {}
        self._engines: dict[str, Engine] = {}
        self._plain: dict[str, HfPeer] = {}
        self._made: Workloads | None = None
        self._gaps_s: dict[WorkloadName, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def model_facts(self) -> ModelFacts:
        """What identifies the model, and what a token of it reads."""
        lm = self._lm(self._best)
        return {
            "name": lm.name,
            "id": lm.model_id,
            "revision": lm.revision,
            "digest": lm.digest,
            "best_dtype": self._best,
            "weight_bytes_per_token": self._weight_bytes(self._best),
            "dense_weight_bytes_per_token": self._weight_bytes(self._best, dense=True),
        }

    def resolved(self, spec: RowSpec) -> RowSpec:
        """The row with `best` replaced by this machine's best precision, so that equal sides are one."""
        ours, peer = (
            replace(side, dtype=self._best) if side.dtype == "best" else side
            for side in (spec.ours, spec.peer)
        )
        return replace(spec, ours=ours, peer=peer)

    def warm_up(self, side: Side, workload: WorkloadName) -> None:
        """Open a side and let it work once, on prompts of no repetition.

        Raises InvalidRequest for a workload that exceeds the model's context, PeerUnavailable for a peer that
        is not there.
        """
        job = replace(self._workloads().job(workload, -1), arrivals_s=())
        needed = max(len(each.prompt_ids) + each.sampling.max_new_tokens for each in job.requests)
        limit = self._lm(self._best).context_length
        if needed > limit:
            raise InvalidRequest(f"the row needs a context of {needed} tokens, and the model has {limit}")
        if side.who == "hf sequential":
            job = job.first(_WARM_REQUESTS)
            served = self._plain_model(side.dtype).serve(job)
            self._gaps_s[workload] = served.ended_s / len(job.requests) / ARRIVAL_LOAD
        elif side.who not in MEMORY:
            self._serve(side, job)

    def measure(self, side: Side, workload: WorkloadName, repetition: int) -> Pass:
        """One pass: its rate is of the whole job, or of what the workload is named for."""
        if side.who in MEMORY:
            dense = side.who == "memory, dense weights"
            return Pass(read_bandwidth(self.device) / self._weight_bytes(side.dtype, dense))
        trace = self._serve(side, self._job(side, workload, repetition))
        if workload in ("single", "decode16"):
            rate = trace.decode_rate()
        else:
            rate = trace.prefill_rate() if workload == "prefill" else trace.whole_rate()
        return Pass(rate, trace.token_ids)

    def agreement(self, spec: RowSpec, ours: list[Pass], peer: list[Pass]) -> Agreement:
        """Compare the tokens of all passes, and those of the first with what comes without steering."""
        pairs = [
            (a, b)
            for mine, theirs in zip(ours, peer, strict=True)
            for a, b in zip(mine.token_ids, theirs.token_ids, strict=True)
        ]
        job = replace(self._job(spec.ours, spec.workload, 0), arrivals_s=())
        bare = serve(self._engine(spec.ours.dtype), job.unsteered()).token_ids
        steered = [
            (given, without)
            for request, given, without in zip(job.requests, ours[0].token_ids, bare, strict=True)
            if not all(each.idle for each in request.steering)
        ]
        return Agreement(
            rows=len(pairs),
            same_tokens=sum(a == b for a, b in pairs),
            steered_rows=len(steered),
            changed_by_steering=sum(a != b for a, b in steered),
        )

    def _job(self, side: Side, workload: WorkloadName, repetition: int) -> Job:
        """Both sides get the same requests; without steering one engine would else meet prompts it knows."""
        bare = side.who == "engine unsteered"
        job = self._workloads().job(workload, repetition, "unsteered" if bare else "")
        if job.arrivals_s:
            gap = self._gaps_s[workload]
            job = replace(job, arrivals_s=tuple(moment * gap for moment in job.arrivals_s))
        return job.unsteered() if bare else job

    def _serve(self, side: Side, job: Job) -> Trace:
        if side.who in ("engine", "engine unsteered"):
            return serve(self._engine(side.dtype), job)
        if side.who == "llama.cpp":
            return LlamaCpp(self._cache, self._name).serve(job)
        peer = self._plain_model(side.dtype)
        return peer.serve_batch(job) if side.who == "hf batch" else peer.serve(job)

    def _lm(self, dtype: str) -> LanguageModel:
        if dtype not in self._loaded:
            lm = load_model(
                self._name, cache=self._cache, dtype=getattr(torch, dtype), progress=self._progress
            )
            never_ending(lm.model)
            lm.tokenizer = lm.tokenizer.without("eos_token")
            self._loaded[dtype] = lm
        return self._loaded[dtype]

    def _engine(self, dtype: str) -> Engine:
        if dtype not in self._engines:
            lm = self._lm(dtype)
            self._engines[dtype] = self._open.enter_context(
                Engine(
                    lm.model,
                    lm.tokenizer,
                    max_rows=_ENGINE_ROWS,
                    endless=True,
                    eight_bits=lm.dtype == torch.int8,
                    packed=packed_of(self._cache, lm.digest),
                )
            )
        return self._engines[dtype]

    def _plain_model(self, dtype: str) -> HfPeer:
        if dtype not in self._plain:
            self._plain[dtype] = in_own_thread(HfPeer, self._folder, getattr(torch, dtype), self.device)
        return self._plain[dtype]

    def _workloads(self) -> Workloads:
        if self._made is None:
            lm = self._lm(self._best)
            plain = self._plain_model("float32").model
            self._made = in_own_thread(Workloads.of, plain, partial(lm.encode, begins=False), lm.d_model)
        return self._made

    def _weight_bytes(self, dtype: str, dense: bool = False) -> int:
        """Bytes of all weight matrices that a token is multiplied by, the output head among them.

        They are counted as the engine holds them, or as if all were `dense`.
        """
        self._engine(dtype)  # packs the model
        itemsize = getattr(torch, dtype).itemsize
        total = 0
        for module in self._lm(dtype).model.modules():
            if isinstance(module, FusedLinear):
                dense_bytes = module.in_features * module.out_features * itemsize
                total += dense_bytes if dense else module.read_bytes
            elif (weight := _matrix(module)) is not None:
                total += weight.numel() * itemsize
        return total


def _matrix(module: nn.Module) -> Tensor | None:
    """What a token is multiplied by in a layer that the engine does not pack."""
    weight = getattr(module, "weight", None)
    multiplies = isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)
    return weight if multiplies else None


def _name(dtype: torch.dtype) -> Precision:
    return "bfloat16" if dtype == torch.bfloat16 else "float32"
