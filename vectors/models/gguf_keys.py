"""What becomes of each key of a GGUF file, and of each tensor: the written table.

Why it exists: a key that nobody reads changes what a model computes without a word. So a key is used, is
known to change nothing, or is refused by its name; and so is an architecture that is not in the table. The
names of keys and tensors are llama.cpp's, those of fields and parameters are transformers'.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """The key's value is a field of the config. Where llama.cpp has a `default`, the key may be missing."""

    name: str
    default: object = None
    required: bool = True

    @property
    def says(self) -> str:
        """What the documentation says of it."""
        return f"`{self.name}`"


@dataclass(frozen=True)
class Same:
    """The key must say what that field of the config says."""

    name: str

    @property
    def says(self) -> str:
        """What the documentation says of it."""
        return f"must equal `{self.name}`"


@dataclass(frozen=True)
class Only:
    """The one value with which the model is computed."""

    value: object

    @property
    def says(self) -> str:
        """What the documentation says of it."""
        return f"must be `{self.value}`"


@dataclass(frozen=True)
class Read:
    """The key is read by code of its own, which looks it up by name."""

    says: str


@dataclass(frozen=True)
class Harmless:
    """The key changes nothing of what is computed."""

    why: str

    @property
    def says(self) -> str:
        """What the documentation says of it."""
        return f"changes nothing: {self.why}"


Use = Field | Same | Only | Read | Harmless


@dataclass(frozen=True)
class Architecture:
    """How a file of one architecture becomes a model of `model`, a class of transformers."""

    model: str
    keys: Mapping[str, Use]
    """By the key's name after the architecture's."""
    blocks: Mapping[str, str]
    """Tensors of a block: name after `blk.N.` → parameter after the block's name, both without the suffix."""
    others: Mapping[str, str]
    layers: str = "model.layers"
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Fields of the config that llama.cpp knows by the architecture alone."""
    permuted: bool = False
    """The rows of q and k have rotary pairs side by side, where transformers has them half a head apart."""
    minus_one: bool = False
    """Norms' weights are stored with the one that the model adds to them."""
    transposed: tuple[str, ...] = ()
    partial: bool = False
    """Rotary positions may turn only the first dimensions of a head."""


GENERAL = {
    "general": "describes the file",
    "quantize": "says how the file was quantised",
    "mradermacher": "says who quantised the file",
    "split": "must count one file",
}
"""Namespaces besides the architecture's and the tokenizer's; any other is refused."""

_ROTARY = Read("rotary positions")
_DECODER: Mapping[str, Use] = {
    "context_length": Field("max_position_embeddings"),
    "embedding_length": Field("hidden_size"),
    "block_count": Field("num_hidden_layers"),
    "feed_forward_length": Field("intermediate_size"),
    "vocab_size": Same("vocab_size"),
    "attention.head_count": Field("num_attention_heads"),
    "attention.head_count_kv": Field("num_key_value_heads", required=False),
    "attention.key_length": Field("head_dim", required=False),
    "attention.value_length": Same("head_dim"),
    "attention.causal": Only(True),
    "expert_count": Only(0),
    "expert_used_count": Only(0),
    "use_parallel_residual": Only(False),
    "tensor_data_layout": Harmless("names the order of rows that the architecture has anyhow"),
    "rope.freq_base": _ROTARY,
    "rope.dimension_count": _ROTARY,
    "rope.scale_linear": _ROTARY,
    "rope.scaling.type": _ROTARY,
    "rope.scaling.factor": _ROTARY,
    "rope.scaling.original_context_length": _ROTARY,
    "rope.scaling.attn_factor": _ROTARY,
    "rope.scaling.yarn_beta_fast": _ROTARY,
    "rope.scaling.yarn_beta_slow": _ROTARY,
    "rope.scaling.finetuned": Harmless("says how the scaling was trained"),
}
_RMS: Mapping[str, Use] = {**_DECODER, "attention.layer_norm_rms_epsilon": Field("rms_norm_eps")}
_WINDOW: Mapping[str, Use] = {"attention.sliding_window": Field("sliding_window")}

_OTHERS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
_QK_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_GATED = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_PLAIN = {**_NORMS, **_ATTENTION, **_GATED}
_FOUR_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_EXPERTS = {  # two tensors of one parameter are joined along their rows, in this order
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.gate_up_proj",
    "ffn_up_exps": "mlp.experts.gate_up_proj",
    "ffn_down_exps": "mlp.experts.down_proj",
}
_EXPERT_KEYS: Mapping[str, Use] = {
    "expert_count": Field("num_experts"),
    "expert_used_count": Field("num_experts_per_tok"),
    "expert_feed_forward_length": Field("moe_intermediate_size"),
}

ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture("LlamaForCausalLM", _RMS, _PLAIN, _OTHERS, permuted=True),
    "qwen2": Architecture("Qwen2ForCausalLM", _RMS, _PLAIN, _OTHERS),
    "qwen3": Architecture("Qwen3ForCausalLM", _RMS, {**_PLAIN, **_QK_NORMS}, _OTHERS),
    "qwen2moe": Architecture(
        "Qwen2MoeForCausalLM",
        {
            **_RMS,
            **_EXPERT_KEYS,
            "expert_shared_feed_forward_length": Field("shared_expert_intermediate_size"),
        },
        {
            **_NORMS,
            **_ATTENTION,
            **_EXPERTS,
            "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
            "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
            "ffn_up_shexp": "mlp.shared_expert.up_proj",
            "ffn_down_shexp": "mlp.shared_expert.down_proj",
        },
        _OTHERS,
        fixed={"norm_topk_prob": False},
    ),
    "qwen3moe": Architecture(
        "Qwen3MoeForCausalLM",
        {**_RMS, **_EXPERT_KEYS},
        {**_NORMS, **_ATTENTION, **_QK_NORMS, **_EXPERTS},
        _OTHERS,
        fixed={"norm_topk_prob": True},
    ),
    "smollm3": Architecture("SmolLM3ForCausalLM", _RMS, _PLAIN, _OTHERS, permuted=True),
    "granite": Architecture(
        "GraniteForCausalLM",
        {
            **_RMS,
            "attention.scale": Field("attention_multiplier"),
            "embedding_scale": Field("embedding_multiplier"),
            "residual_scale": Field("residual_multiplier"),
            "logit_scale": Field("logits_scaling"),
        },
        _PLAIN,
        _OTHERS,
        permuted=True,
    ),
    "olmo2": Architecture(
        "Olmo2ForCausalLM",
        _RMS,
        {
            **_ATTENTION,
            **_QK_NORMS,
            **_GATED,
            "post_attention_norm": "post_attention_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        },
        _OTHERS,
    ),
    "gemma": Architecture("GemmaForCausalLM", _RMS, _PLAIN, _OTHERS, minus_one=True),
    "gemma2": Architecture(
        "Gemma2ForCausalLM",
        {
            **_RMS,
            **_WINDOW,
            "attn_logit_softcapping": Field("attn_logit_softcapping", 50.0, required=False),
            "final_logit_softcapping": Field("final_logit_softcapping", 30.0, required=False),
        },
        {**_ATTENTION, **_GATED, **_FOUR_NORMS},
        _OTHERS,
        minus_one=True,
    ),
    "gemma3": Architecture(
        "Gemma3ForCausalLM",
        {
            **_RMS,
            **_WINDOW,
            "attention.sliding_window_pattern": Read("which blocks attend through the window"),
            "final_logit_softcapping": Field("final_logit_softcapping", required=False),
            "rope.freq_base_swa": _ROTARY,
        },
        {**_ATTENTION, **_QK_NORMS, **_GATED, **_FOUR_NORMS},
        _OTHERS,
        minus_one=True,
    ),
    "phi3": Architecture(
        "Phi3ForCausalLM",
        {**_RMS, "attention.sliding_window": Field("sliding_window", required=False)},
        {
            **_NORMS,
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
        _OTHERS,
        partial=True,
    ),
    "starcoder2": Architecture(
        "Starcoder2ForCausalLM",
        {**_DECODER, "attention.layer_norm_epsilon": Field("norm_epsilon")},
        {**_NORMS, **_ATTENTION, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"},
        _OTHERS,
    ),
    "stablelm": Architecture(
        "StableLmForCausalLM",
        {
            **_DECODER,
            "attention.layer_norm_epsilon": Field("layer_norm_eps"),
            "use_parallel_residual": Field("use_parallel_residual", False, required=False),
        },
        _PLAIN,
        _OTHERS,
        partial=True,
    ),
    "nemotron": Architecture(
        "NemotronForCausalLM",
        {**_DECODER, "attention.layer_norm_epsilon": Field("norm_eps")},
        {**_NORMS, **_ATTENTION, "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"},
        _OTHERS,
        minus_one=True,
        partial=True,
    ),
    "lfm2": Architecture(
        "Lfm2ForCausalLM",
        {
            **_DECODER,
            "attention.layer_norm_rms_epsilon": Field("norm_eps"),
            "attention.head_count_kv": Read("by block, and 0 for one that convolves instead of attending"),
            "shortconv.l_cache": Field("conv_L_cache"),
        },
        {
            "attn_norm": "operator_norm",
            "ffn_norm": "ffn_norm",
            "attn_q": "self_attn.q_proj",
            "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.out_proj",
            "attn_q_norm": "self_attn.q_layernorm",
            "attn_k_norm": "self_attn.k_layernorm",
            "shortconv.conv": "conv.conv",
            "shortconv.in_proj": "conv.in_proj",
            "shortconv.out_proj": "conv.out_proj",
            "ffn_gate": "feed_forward.w1",
            "ffn_up": "feed_forward.w3",
            "ffn_down": "feed_forward.w2",
        },
        {
            "token_embd": "model.embed_tokens",
            "token_embd_norm": "model.embedding_norm",
            "output_norm": "model.embedding_norm",
            "output": "lm_head",
        },
        fixed={"block_auto_adjust_ff_dim": False},
    ),
    "gpt2": Architecture(
        "GPT2LMHeadModel",
        {
            "context_length": Field("n_positions"),
            "embedding_length": Field("n_embd"),
            "block_count": Field("n_layer"),
            "feed_forward_length": Field("n_inner"),
            "vocab_size": Same("vocab_size"),
            "attention.head_count": Field("n_head"),
            "attention.head_count_kv": Same("n_head"),
            "attention.layer_norm_epsilon": Field("layer_norm_epsilon"),
            "attention.causal": Only(True),
        },
        {
            "attn_norm": "ln_1",
            "attn_qkv": "attn.c_attn",
            "attn_output": "attn.c_proj",
            "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc",
            "ffn_down": "mlp.c_proj",
        },
        {
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        layers="transformer.h",
        transposed=("attn_qkv", "attn_output", "ffn_up", "ffn_down"),
    ),
}

_INFILL = Harmless("a token for filling in, which is asked of no model here")
TOKENIZER: Mapping[str, Use] = {
    "ggml.model": Read("`gpt2` (byte-level BPE) or `llama` (SentencePiece's BPE)"),
    "ggml.pre": Read("how byte-level BPE cuts text; a name that is not known is refused"),
    "ggml.tokens": Read("the vocabulary"),
    "ggml.token_type": Read("which tokens are special, and which are found in text as they stand"),
    "ggml.merges": Read("the merges of byte-level BPE"),
    "ggml.scores": Read("the order of SentencePiece's merges"),
    "ggml.bos_token_id": Read("the token that begins a text"),
    "ggml.eos_token_id": Read("a token that ends an answer"),
    "ggml.eot_token_id": Read("a token that ends an answer"),
    "ggml.eom_token_id": Read("a token that ends an answer"),
    "ggml.unknown_token_id": Read("the token for what has none"),
    "ggml.padding_token_id": Read("the token that fills a row up"),
    "ggml.add_bos_token": Read("whether a text begins with its token"),
    "ggml.add_space_prefix": Read("whether SentencePiece puts a space in front"),
    "ggml.remove_extra_whitespaces": Only(False),
    "ggml.add_eos_token": Harmless("a prompt goes on"),
    "ggml.add_sep_token": Only(False),
    "ggml.token_type_count": Harmless("of models that are no decoders"),
    "ggml.seperator_token_id": Harmless("a token for pairs of texts"),
    "ggml.mask_token_id": Harmless("a token that is only trained on"),
    "ggml.cls_token_id": Harmless("a token for classes"),
    "huggingface.json": Harmless("the same tokenizer once more"),
    "chat_template": Read("the chat template"),
    "chat_templates": Harmless("names of templates besides the default one"),
    **{f"ggml.fim_{part}_token_id": _INFILL for part in ("pre", "suf", "mid", "pad", "rep", "sep")},
    **{f"ggml.{part}_token_id": _INFILL for part in ("prefix", "suffix", "middle")},
}
