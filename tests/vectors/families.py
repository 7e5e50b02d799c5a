"""Every causal language model that transformers knows, as a tiny random one, on the steered engine.

`python -m tests.vectors.families [TYPE …]` prints a table: alone, in a mixed batch, steered, scored, with a
prompt of several pieces, against the model's own forward over everything, under a plain hook.
`--json FILE` writes it; types that are named take the place of theirs in the file.
"""

import argparse
import datetime
import importlib.metadata
import json
import logging
import platform
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

from tests.vectors.engine.batches import hooked_logits, run
from tests.vectors.tiny import PAD, byte_tokenizer, prompt
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.sampling import Sampling
from vectors.errors import UnsupportedModel
from vectors.models.blocks import d_model, n_layers
from vectors.steering.intervention import Intervention

LIMIT_S, NEW, VOCAB = 120, 4, 258
PATHS = {"LlamaForward": "batched", "HFForward": "batched", "RowwiseForward": "joined"}
TOLERANCE = 2e-4
"""Of log-probabilities, in nats."""
SIZES = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim", "embedding_size", "word_embed_proj_dim"), 64),
    **dict.fromkeys(
        ("intermediate_size", "ffn_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim"), 96
    ),
    **dict.fromkeys(("intermediate_size_mlp", "dense_intermediate_size", "ffn_hidden_size"), 96),
    **dict.fromkeys(
        ("moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size"), 32
    ),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"), 4),
    **dict.fromkeys(("decoder_layers", "num_decoder_layers"), 4),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv"), 2),
    **dict.fromkeys(("head_dim", "v_head_dim", "qk_nope_head_dim", "attention_head_dim", "kv_channels"), 16),
    **dict.fromkeys(("global_head_dim", "swa_head_dim", "linear_key_head_dim", "linear_value_head_dim"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "o_lora_rank"), 16),
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(
        ("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token", "top_k_experts"), 2
    ),
    **dict.fromkeys(("n_group", "topk_group", "n_groups", "mamba_n_groups", "group_norm_size"), 1),
    **dict.fromkeys(("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"), 1),
    **dict.fromkeys(("sliding_window", "attention_chunk_size", "local_attention_window", "window_size"), 16),
    **dict.fromkeys(("attention_window_size", "local_attn_window_size"), 16),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"), 1024),
    **dict.fromkeys(("state_size", "mamba_d_state", "ssm_state_size"), 8),
    **dict.fromkeys(("mamba_num_heads", "n_mamba_heads", "mamba_n_heads"), 4),
    **dict.fromkeys(("mamba_head_dim", "mamba_d_head"), 32),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads"), 4),
    **dict.fromkeys(("lru_width", "attention_hidden_size"), 64),
    **dict.fromkeys(("hidden_size_per_layer_input", "laurel_rank", "altup_num_inputs"), 4),
    **dict.fromkeys(("index_head_dim", "index_n_heads", "index_topk"), 8),
    **dict.fromkeys(("chunk_size", "mamba_chunk_size"), 8),
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCAB),
    "num_kv_shared_layers": 2,
}
"""What makes any model tiny, by the names that configs have for it."""
_EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
_INDEXER = {
    **{f"indexer_{name}": 2 for name in ("n_heads", "compress_ratio")},
    **{"indexer_kv_heads": 1, "indexer_head_dim": 16, "indexer_budget": 8, "ple_layer_ids": []},
}
_ZAMBA = {"layers_block_type": ["linear_attention", "hybrid"] * 2, "attention_hidden_size": 128}
_NO_INPUTS = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}
_ROPE = {"rope_type": "default", "rope_theta": 1e4}
SPECIAL: dict[str, dict[str, object]] = {
    "bailing_hybrid": {"num_expert_group": 1, "n_group": 1, "topk_group": 1},
    "bamba": {"attn_layer_indices": [1, 3]},
    "cohere_compass_text": {"rope_parameters": dict.fromkeys(("full_attention", "sliding_attention"), _ROPE)},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": 96, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deepseek_v2": _EXPERTS,
    "dots1": {**_EXPERTS, "n_shared_experts": 1},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "longcat_flash": {"head_dim": 8},
    "mamba2": {"head_dim": 32},
    "ministral": {"head_dim": 16},
    "nemotron": {"num_key_value_heads": 2},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "lsh"] * 2},
    "zaya": {"num_experts_per_tok": 1},
    "git": {"vision_config": {"num_hidden_layers": 3}},
    "phi4_multimodal": {"vision_config": {"num_hidden_layers": 3}},
    "prophetnet": {"num_encoder_layers": 4},
    "zamba": {**_ZAMBA, "attention_head_dim": 32, "mamba_dt_rank": 4},
    "zamba2": _ZAMBA,
    "xlstm": {"qk_dim_factor": 1.0},
    "qwen4_exp_text": _INDEXER,
    "qwen4_exp": _INDEXER,
    "gemma4_assistant": {"text_config": {**_NO_INPUTS, "num_kv_shared_layers": 4}},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
}
"""What single types need beside that."""
DEFAULTS: dict[str, dict[str, object]] = {"gemma4_assistant": {"text_config": _NO_INPUTS}}
"""What single types need for a config of the usual size."""


@dataclass(frozen=True)
class Outcome:
    """What came of a type: right, wrong, refused, fails (at a request), traceback (at load), not built."""

    family: str
    outcome: str
    path: str = ""
    said: str = ""


class _TimeOut(Exception):
    pass


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise _TimeOut after so many seconds of the processor's."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TimeOut

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def tiny(config: transformers.PreTrainedConfig) -> dict[str, object]:
    """What makes another config of this one's class tiny, and those that it holds."""
    given: dict[str, object] = {}
    for name, value in vars(config).items():
        if isinstance(value, transformers.PreTrainedConfig):
            own = {each: of for each, of in value.to_dict().items() if each != "per_layer_config"}
            given[name] = {**own, **tiny(value)}
        elif isinstance(value, int) and not isinstance(value, bool) and name in SIZES:
            given[name] = SIZES[name]
        elif name in SIZES and isinstance(value, list | tuple) and all(type(each) is int for each in value):
            given[name] = SIZES[name]  # one for each block
        elif name == "activation_sparsity_pattern":
            given[name] = [0.0] * SIZES["num_hidden_layers"]
        elif isinstance(value, float) and ("dropout" in name or name in ("layerdrop", "attn_pdrop")):
            given[name] = 0.0
        elif name.endswith(("layer_types", "block_types", "attention_types")) and isinstance(
            value, list | tuple
        ):
            several = [kind for i, kind in enumerate(value) if kind not in value[:i]]
            given[name] = [several[i % len(several)] for i in range(SIZES["num_hidden_layers"])]
        elif name in ("bos_token_id", "eos_token_id", "decoder_start_token_id"):
            given[name] = PAD
    if "qk_rope_head_dim" in given:
        given.pop("head_dim", None)  # they derive it
        given["num_key_value_heads"] = SIZES["num_attention_heads"]
    return given | {"pad_token_id": PAD, "initializer_range": 0.15}


def build(family: str) -> nn.Module:
    """A tiny random causal model of a type, in float32."""
    model_class = getattr(transformers, NAMES[family])
    base = model_class.config_class(**DEFAULTS.get(family, {}))
    given = tiny(base)
    if base.is_encoder_decoder:
        given["is_encoder_decoder"] = False
    if hasattr(base, "is_decoder") and model_class.__name__ != "GPT2LMHeadModel":
        given["is_decoder"] = True
    for name, value in SPECIAL.get(family, {}).items():
        held = given.get(name)
        given[name] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value
    config = model_class.config_class(**given)
    torch.manual_seed(7)
    model = model_class(config).float().eval()
    for weight in model.parameters():
        if not weight.isfinite().all() or (weight.dim() > 1 and not weight.any()):
            torch.nn.init.normal_(weight, std=0.15)
    if hasattr(model, "set_default_language"):
        model.set_default_language(next(iter(model.config.languages)))
    model.generation_config = transformers.GenerationConfig(pad_token_id=PAD)
    return model


def tried(family: str) -> Outcome:
    """Build a type and hold the engine against transformers' own forward and generation."""
    try:
        with limited(LIMIT_S):
            model = build(family)
    except (Exception, _TimeOut) as error:
        return Outcome(family, "not built", said=_line(error))
    expected: Expected | None = None
    try:
        with limited(LIMIT_S):
            expected = _expected(model)
    except (Exception, _TimeOut) as error:
        said = _line(error)
    try:
        with limited(LIMIT_S):
            engine = Engine(model, byte_tokenizer(), cache_tokens=4096, endless=True)
    except UnsupportedModel as error:
        return Outcome(family, "refused", said=str(error))
    except (Exception, _TimeOut) as error:
        return Outcome(family, "traceback", said=_line(error))
    path = PATHS[type(engine._forward).__name__]
    if expected is None:
        engine.close()
        return Outcome(family, "not tried", path, said)
    requests, wanted = expected
    try:
        with limited(LIMIT_S), engine:
            found = [("alone", [run(engine, request)[0] for request in requests])]
            found.append(("mixed", run(engine, *requests)))
    except (Exception, _TimeOut) as error:
        return Outcome(family, "fails", path, _line(error))
    said, own = "", wanted[-1]
    try:
        with limited(LIMIT_S):
            own = own_generate(model, requests[-1].prompt_ids)
            away = _away(own, wanted[-1])
            if own[0] != wanted[-1][0]:
                said = "its own generate gives other tokens"
            elif away > TOLERANCE:
                said = f"its own generate is {away:.2g} nats from its forward over everything"
    except (Exception, _TimeOut) as error:
        said = f"its own generate fails: {_line(error)}"
    for what, generations in found:
        for request, generation, each in zip(requests, generations, wanted, strict=True):
            if generation.token_ids != each[0]:
                return Outcome(family, "wrong", path, f"{what}: other tokens than its own forward")
            ways = [each, own] if request is requests[-1] and own[0] == each[0] else [each]
            away = min(_away((generation.token_ids, generation.logprobs), way) for way in ways)
            if not away <= TOLERANCE:
                steered = "steered" if request.steering else "unsteered"
                return Outcome(family, "wrong", path, f"{what}, {steered}: {away:.2g} nats away")
    return Outcome(family, "right", path, said)


Tokens = tuple[tuple[int, ...], Sequence[float]]
"""New tokens, and their log-probabilities."""
Expected = tuple[list[GenerationRequest], list[Tokens]]


def _away(found: Tokens, wanted: Tokens) -> float:
    return max(abs(a - b) for a, b in zip(found[1], wanted[1], strict=True))


def _expected(model: nn.Module) -> Expected:
    """Requests, and the tokens and log-probabilities that they have to give, by the model itself."""
    generator = torch.Generator().manual_seed(3)
    vector = torch.randn(d_model(model), generator=generator)
    requests: list[GenerationRequest] = []
    wanted: list[Tokens] = []
    for seed, length in enumerate((5, 40, 270)):
        ids = prompt(seed, length)
        new = greedy(model, ids)
        for steering in ((), (Intervention(vector, n_layers(model) // 2, 2.0),)):
            logits = hooked_logits(model, [*ids, *new], steering)[length - 1 : -1]
            logprobs = logits.float().log_softmax(dim=-1)
            wanted.append((tuple(new), [float(logprobs[i, token]) for i, token in enumerate(new)]))
            requests.append(scoring(ids, new, steering))
        requests.append(GenerationRequest(ids, (), Sampling(NEW, logprobs=True)))
        wanted.append(wanted[-2])
    return requests, wanted


def greedy(model: nn.Module, ids: Sequence[int]) -> list[int]:
    """The likeliest tokens after a prompt, everything computed anew for each."""
    known = list(ids)
    for _ in range(NEW):
        known.append(int(hooked_logits(model, known)[-1].argmax()))
    return known[len(ids) :]


def own_generate(model: nn.Module, ids: Sequence[int]) -> Tokens:
    """The same of transformers' own generation."""
    given = torch.tensor([list(ids)])
    wanted = {"do_sample": False, "max_new_tokens": NEW, "output_logits": True}
    made = model.generate(
        given, attention_mask=torch.ones_like(given), return_dict_in_generate=True, **wanted
    )
    tokens = tuple(made.sequences[0, len(ids) :].tolist())
    logprobs = [logits[0].float().log_softmax(dim=-1) for logits in made.logits]
    return tokens, [float(each[token]) for each, token in zip(logprobs, tokens, strict=True)]


def _line(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:160]}"


def main() -> int:
    """Try the types that are named, or all; `--json` writes what `docs/models.md` shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.set_num_threads(1)  # the models are too small for more
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    found = []
    for family in given.families or sorted(NAMES):
        found.append(tried(family))
        each = found[-1]
        print(f"{each.family:28} {each.outcome:10} {each.path:10} {each.said}", flush=True)
    counts = {
        name: sum(each.outcome == name for each in found) for name in sorted({e.outcome for e in found})
    }
    print(counts)
    if given.json:
        versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
        about = {
            "command": "python -m tests.vectors.families",
            "date": datetime.date.today().isoformat(),
            "model": "a tiny random one of each type, float32",
            "machine": f"{platform.system()} {platform.machine()}, CPU",
            "versions": versions,
            "provenance": "printed by the command",
        }
        file = Path(given.json)
        before = json.loads(file.read_text("utf-8"))["rows"] if given.families else []
        rows = {row[0]: row for row in before}
        for each in found:
            name = f"`{each.family}`"
            rows[name] = [name, each.outcome, each.path, each.said.replace("|", "\\|")]
        document = {"about": about, "columns": ["type", "outcome", "passes", ""], "rows": list(rows.values())}
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(any(each.outcome in ("wrong", "fails", "traceback") for each in found))


if __name__ == "__main__":
    sys.exit(main())
