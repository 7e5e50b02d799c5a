"""The only place that knows where a model keeps its decoder blocks, and what its config calls things.

Everything that reads or writes the residual stream finds it by this module and `vectors.models.residual`, so
that a family whose layout is new is refused in one place instead of being steered in the wrong one. A block's
output is the residual stream after the block (`resid_post`), before the final norm. transformers' own
`output_hidden_states` is not used: its capture does not see hooks added after it, and its last entry has
already passed the final norm.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

from torch import Tensor, nn

from vectors.errors import SteeringMismatch, UnsupportedModel
from vectors.models.residual import residual

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "n_ctx",
)
_UNBOUNDED = 1 << 20
"""What counts as the context of a model that names none: one without positions, or with relative ones."""


class TextConfig(Protocol):
    """What is read of a model's config, under transformers' names; not every family has all of it."""

    model_type: str
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    max_position_embeddings: int
    rope_parameters: Mapping[str, object] | None
    hidden_act: str
    rms_norm_eps: float
    num_attention_heads: int
    num_key_value_heads: int


class _Config(Protocol):
    """transformers' own: it has those of pictures and sound in it as well."""

    def get_text_config(self, *, decoder: bool) -> TextConfig: ...


def text_config(model: nn.Module) -> TextConfig:
    """The config of a transformers model's decoder, or of one that was built here."""
    if hasattr(model.config, "get_text_config"):
        return cast("_Config", model.config).get_text_config(decoder=True)
    return cast("TextConfig", model.config)


def base_model(model: nn.Module) -> nn.Module:
    """The model without its unembedding."""
    base = model.base_model
    assert isinstance(base, nn.Module)
    return base


def model_type(model: nn.Module) -> str:
    """The name of the family, such as "llama"."""
    return str(cast("TextConfig", model.config).model_type)


def n_layers(model: nn.Module) -> int:
    """Count the decoder blocks of a transformers causal language model; raises UnsupportedModel.

    LongCat calls its blocks layers, and their attentions, two in each, hidden ones.
    """
    count = _number(model, "num_hidden_layers")
    return min(count, getattr(text_config(model), "num_layers", None) or count)


def d_model(model: nn.Module) -> int:
    """Width of the residual stream; raises UnsupportedModel."""
    return _number(model, "hidden_size")


def streams(model: nn.Module) -> int:
    """Count the residual streams of a model: one, or as many as its hyper-connections have."""
    config = text_config(model)
    return getattr(config, "hc_mult", None) or getattr(config, "hc_count", None) or 1


def _number(model: nn.Module, name: str) -> int:
    found = getattr(text_config(model), name, None)
    if not isinstance(found, int):
        raise UnsupportedModel(
            f"{type(model).__name__}: its config has no {name}; use a decoder-only causal language model"
        )
    return found


def context_length(model: nn.Module) -> int:
    """Count the positions a row may take, prompt and new tokens together.

    A rotary embedding that changes once a row outgrows the original context (LongRoPE, arXiv 2402.13753)
    would make a cache of two kinds: such a model has its original context. One that leaves positions out of
    its attention from some length on (Doge) has that length.
    """
    config = text_config(model)
    rope = getattr(config, "rope_parameters", None) or {}
    named = (getattr(config, name, None) for name in _LENGTHS)
    longest = next((length for length in named if isinstance(length, int) and length > 0), _UNBOUNDED)
    longest = min(longest, getattr(config, "keep_window_size", None) or longest)
    if rope.get("rope_type") == "longrope":
        original = rope.get("original_max_position_embeddings", longest)
        return min(longest, cast("int", original))
    return longest


def _find_blocks(model: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    """Return the module that holds the decoder blocks, and the blocks.

    Lists inside a candidate (the experts of a block, say) are not candidates themselves. Of a model of
    pictures and text it is the text's decoder that counts.
    """
    base, want = base_model(model), n_layers(model)
    found = _lists(base, want)
    if len(found) > 1 and hasattr(model, "get_decoder"):
        decoder = cast("Callable[[], nn.Module]", model.get_decoder)()
        base, found = decoder, _lists(decoder, want)
    if len(found) != 1:
        where = ", ".join(found) or "none"
        raise UnsupportedModel(
            f"{type(model).__name__}: expected one list of {want} decoder blocks, found {where}; "
            "use a decoder-only causal language model"
        )
    name, blocks = found.popitem()
    return base.get_submodule(name.rpartition(".")[0]), blocks


def _lists(base: nn.Module, want: int) -> dict[str, nn.ModuleList]:
    found: dict[str, nn.ModuleList] = {}
    for name, module in base.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and len(module) == want and not inside:
            found[name] = module
    return found


def decoder_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the decoder blocks in order: the list of `num_hidden_layers` modules under the base model.

    Raises UnsupportedModel where there is no such list, or more than one.
    """
    return list(_find_blocks(model)[1])


def final_norm(model: nn.Module) -> nn.Module:
    """Return the norm between the last block and the unembedding, found beside the blocks.

    Raises UnsupportedModel where there is none, or more than one.
    """
    parent, _ = _find_blocks(model)
    norms = [child for child in parent.children() if "norm" in type(child).__name__.lower()]
    if len(norms) != 1:
        raise UnsupportedModel(
            f"{type(model).__name__}: expected one norm beside the decoder blocks, found {len(norms)}; "
            "the logit lens needs a model with a single final norm"
        )
    return norms[0]


def head(model: nn.Module) -> nn.Module:
    """Return the layer that turns the normed residual stream into logits; raises UnsupportedModel."""
    found = model.get_output_embeddings()  # type: ignore[operator]
    if found is None:
        raise UnsupportedModel(
            f"{type(model).__name__} has no output embeddings; use a causal language model"
        )
    assert isinstance(found, nn.Module)
    return found


def unembedding(model: nn.Module) -> Tensor:
    """Return the matrix [vocab, d_model] that turns the normed residual stream into logits."""
    weight = head(model).weight
    assert isinstance(weight, Tensor)
    return weight


def embedding(model: nn.Module) -> nn.Embedding:
    """Return the layer, of weights [vocab, d_model], that turns tokens into the residual stream.

    Raises UnsupportedModel where there is none: models of sound have several.
    """
    found: nn.Embedding = model.get_input_embeddings()  # type: ignore[operator]
    if not isinstance(getattr(found, "weight", None), Tensor):
        raise UnsupportedModel(
            f"{type(model).__name__} has no embedding of tokens; use a causal language model of text"
        )
    return found


@contextmanager
def recording(model: nn.Module, layers: Sequence[int] | None = None) -> Iterator[dict[int, Tensor]]:
    """Record the output [batch, seq, d_model] of the blocks `layers` (all by default) in each forward pass.

    The dictionary holds the last forward pass of this thread, by layer, detached from the graph; an engine
    may be generating with the same model on a thread of its own. Hooks that were attached before, such as a
    steering table's, have already had their effect. Raises SteeringMismatch for a layer that the model does
    not have.
    """
    blocks = decoder_blocks(model)
    wanted = range(len(blocks)) if layers is None else layers
    if outside := [layer for layer in wanted if not 0 <= layer < len(blocks)]:
        raise SteeringMismatch(f"layer {outside[0]} does not exist: expected 0 to {len(blocks) - 1}")
    captured: dict[int, Tensor] = {}

    owner, several = threading.get_ident(), streams(model)

    def capture(layer: int, output: object) -> None:
        if threading.get_ident() == owner:
            captured[layer] = residual(output, several).detach()

    handles = [
        blocks[layer].register_forward_hook(lambda _block, _args, output, layer=layer: capture(layer, output))
        for layer in wanted
    ]
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


class _Stopped(Exception):
    """The last block that anybody wants has run."""


@contextmanager
def stopping_after(model: nn.Module, layer: int) -> Iterator[None]:
    """End a forward pass of this thread that is run inside once block `layer` has put out its residual.

    Half of the work is saved at mid-depth. What was recorded by then is there, and nothing is returned.
    """
    owner = threading.get_ident()

    def stop(_block: nn.Module, _args: object, _output: object) -> None:
        if threading.get_ident() == owner:
            raise _Stopped

    handle = decoder_blocks(model)[layer].register_forward_hook(stop)
    try:
        yield
    except _Stopped:
        pass
    finally:
        handle.remove()
