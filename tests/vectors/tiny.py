"""Tiny models with random weights, one of each family, and an independent way to steer them."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from vectors.models.blocks import recording
from vectors.models.tokenizer import Tokenizer
from vectors.steering.intervention import Intervention, Steering
from vectors.steering.positions import ALL, GENERATED, Positions

FAMILIES = ("qwen3", "llama", "gemma3", "phi3", "lfm2", "gpt2")
LAYERS, WIDTH, CONTEXT = 4, 64, 512
EOS, PAD, VOCAB = 256, 257, 258  # every byte is a token of its own


def tiny_model(family: str, dtype: torch.dtype = torch.float32) -> Any:
    """A random model of LAYERS blocks; its weights are large enough to spread the logits."""
    common: dict[str, Any] = {
        "vocab_size": VOCAB,
        "hidden_size": WIDTH,
        "intermediate_size": 128,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.15,
        "bos_token_id": None,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
    }
    torch.manual_seed(7)
    if family == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**common, head_dim=16))
    elif family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**common))
    elif family == "gemma3":  # a window shorter than the prompts, so that its sliding cache has work to do
        layers = ["sliding_attention", "full_attention"] * (LAYERS // 2)
        model = Gemma3ForCausalLM(
            Gemma3TextConfig(
                **common, head_dim=16, sliding_window=8, layer_types=layers, tie_word_embeddings=False
            )
        )
    elif family == "phi3":
        model = Phi3ForCausalLM(Phi3Config(**common))
    elif family == "lfm2":
        layers = ["conv", "full_attention"] * (LAYERS // 2)
        model = Lfm2ForCausalLM(
            Lfm2Config(
                **common, layer_types=layers, block_auto_adjust_ff_dim=False, tie_word_embeddings=False
            )
        )
    else:
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCAB,
                n_positions=CONTEXT,
                n_embd=WIDTH,
                n_layer=LAYERS,
                n_head=4,
                initializer_range=0.15,
                bos_token_id=None,
                eos_token_id=EOS,
                pad_token_id=PAD,
                tie_word_embeddings=False,
            )
        )
    return model.to(dtype).eval()


@cache
def byte_tokenizer() -> Tokenizer:
    """Token i is byte i; decoding is that of byte-level BPE, so that characters span tokens."""
    return Tokenizer.of(transformers_byte_tokenizer())


def transformers_byte_tokenizer() -> PreTrainedTokenizerFast:
    """The same, as transformers has it: what can be saved in a model's folder."""
    symbols = _byte_symbols()
    tokenizer = Backend(models.BPE({symbol: byte for byte, symbol in symbols.items()}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")
    assert (fast.eos_token_id, fast.pad_token_id) == (EOS, PAD)
    return fast


def _byte_symbols() -> dict[int, str]:
    """The printable stand-in of each byte in byte-level BPE (GPT-2)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def prompt(seed: int, length: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 256, (length,), generator=generator).tolist())


def random_vector(seed: int, width: int = WIDTH) -> Tensor:
    return torch.randn(width, generator=torch.Generator().manual_seed(seed)) * 3


def steer(
    model: Any, layer: int, share: float, *, seed: int = 0, operation: str = "add", positions: Positions = ALL
) -> Steering:
    """A random steering whose delta is `share` of the residual norm at that layer."""
    vector = random_vector(seed, model.config.hidden_size)
    with recording(model, [layer]) as captured, torch.no_grad():
        model(input_ids=torch.tensor([prompt(0, 16)]))
    norm = float(captured[layer].norm(dim=-1).mean())
    # Multiplying by 1 + α·u moves the residual by about α‖h‖/√d, adding moves it by α.
    alpha = share * (vector.numel() ** 0.5 if operation == "multiply" else norm)
    return (Intervention(vector, layer, alpha, operation, positions),)


def hf_generate(model: Any, prompt_ids: Sequence[int], steering: Steering = (), new: int = 12) -> list[int]:
    """The oracle: transformers' own generate, alone in its batch, with a hook written down independently."""
    blocks = model.transformer.h if hasattr(model, "transformer") else model.model.layers
    with ExitStack() as stack, torch.no_grad():
        for each in steering:
            handle = blocks[each.layer].register_forward_hook(_oracle_hook(each, len(prompt_ids)))
            stack.callback(handle.remove)
        ids = torch.tensor([list(prompt_ids)])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new)
    return out[0, len(prompt_ids) :].tolist()


def _oracle_hook(steering: Intervention, prompt_len: int) -> Any:
    scaled = steering.alpha * steering.vector.float() / steering.vector.float().norm()

    def hook(_block: nn.Module, _args: object, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        if steering.positions == GENERATED and hidden.shape[1] == prompt_len:
            return output
        scale = scaled.to(hidden.dtype)
        changed = hidden + scale if steering.operation == "add" else hidden * (1 + scale)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook
