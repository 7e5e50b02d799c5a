"""llama.cpp's logits for files; run as a script by the Python of an environment that has llama-cpp-python.

Reads one JSON document from stdin: `files` and `rows` of token ids. Writes the logits of each file beside it,
[rows, tokens, vocabulary] in float32, under its name with `.npy` after it.
"""

import json
import sys

import llama_cpp
import numpy as np


def main():
    asked = json.load(sys.stdin)
    quiet = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(quiet, None)
    llama_cpp.llama_backend_init()
    for path in asked["files"]:
        np.save(f"{path}.npy", np.stack(list(logits(path, asked["rows"]))))


def logits(path, rows):
    settings = llama_cpp.llama_model_default_params()
    settings.use_extra_bufts = False  # repacked weights crash in some builds
    model = llama_cpp.llama_model_load_from_file(path.encode(), settings)
    if not model:
        sys.exit(f"llama.cpp cannot load {path}")
    room = llama_cpp.llama_context_default_params()
    room.n_ctx = room.n_batch = room.n_ubatch = 256
    room.type_k = room.type_v = 0  # float32
    room.flash_attn_type = 0
    context = llama_cpp.llama_init_from_model(model, room)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    for row in rows:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        batch = llama_cpp.llama_batch_init(len(row), 0, 1)
        batch.n_tokens = len(row)
        for place, token in enumerate(row):
            batch.token[place], batch.pos[place], batch.logits[place] = token, place, True
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        if llama_cpp.llama_decode(context, batch):
            sys.exit(f"llama.cpp fails on {path}")
        places = [llama_cpp.llama_get_logits_ith(context, place) for place in range(len(row))]
        yield np.stack([np.ctypeslib.as_array(each, shape=(vocabulary,)).copy() for each in places])
        llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


if __name__ == "__main__":
    main()
