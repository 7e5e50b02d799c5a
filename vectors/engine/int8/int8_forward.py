"""The decoder of the Llama family in eight bits: weights and inputs of products are bytes, sums are whole.

The residual stream, norms, attention and the key-value cache are float32. Each row's numbers are computed
from its own alone and in one order, so they do not change with the batch that it is in.
"""

from collections.abc import Mapping
from typing import Protocol, cast

import numpy as np
import torch
from llvmlite import binding
from numpy.typing import NDArray
from torch import Tensor, nn

from vectors.engine.int8 import jobs as job
from vectors.engine.int8.attending import GROUP, TOGETHER
from vectors.engine.int8.crew import Crew
from vectors.engine.int8.packed import Packed
from vectors.engine.int8.products import PANEL
from vectors.engine.int8.weights import has_head_norms, linears
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.ragged import Pass
from vectors.errors import UnsupportedModel
from vectors.models.blocks import base_model, decoder_blocks, embedding, text_config
from vectors.threads import compute_alone


class _Base(Protocol):
    def rotary_emb(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]: ...


def check(model: nn.Module) -> None:
    """Raise UnsupportedModel where the model or the processor is none for eight bits."""
    name = type(model).__name__
    features = binding.get_host_cpu_features()
    if not (features.get("avx512vnni") and features.get("avx512bf16")):
        raise UnsupportedModel("int8 needs a processor with AVX512-VNNI and AVX512-BF16: use dtype auto")
    if not LlamaForward.fits(model):
        raise UnsupportedModel(f"{name} is not of the Llama family, which int8 is for: use dtype auto")
    config, layers = text_config(model), [each for block in decoder_blocks(model) for each in linears(block)]
    dim = _rotary(model, 1)[0].shape[1]
    joint = (int(config.num_attention_heads) + 2 * int(config.num_key_value_heads)) * dim
    outputs = (joint, int(config.hidden_size), 2 * int(config.intermediate_size))
    if any(each % PANEL for each in outputs) or dim % GROUP or any(each.bias is not None for each in layers):
        raise UnsupportedModel(
            f"{name} has widths that are no multiples of {PANEL}, or biases: use dtype auto"
        )


class Int8Forward:
    """Runs passes through a model that `check` has let pass, whose embedding it looks up; `detach` ends its
    threads.
    """

    resumable = True
    reusable = True
    in_pieces = True
    dtype = torch.bfloat16
    group = GROUP

    def __init__(self, model: nn.Module, weights: Packed) -> None:
        config = text_config(model)
        heads, kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        width, inner = int(config.hidden_size), int(config.intermediate_size)
        blocks = decoder_blocks(model)
        layers = len(blocks)
        self._embedding = embedding(model)
        self._cos, self._sin = _rotary(model, int(config.max_position_embeddings))
        dim = self._cos.shape[1]
        self.shapes = [(kv_heads, dim)] * layers
        self._blocks, self._head = weights
        self._inputs, self._asked = max(inner, width, heads * dim), heads * dim
        self._outputs = max((heads + 2 * kv_heads) * dim, 2 * inner)
        self._crew = Crew(torch.get_num_threads(), np.array([config.rms_norm_eps, dim**-0.5], np.float32))
        self._say(
            {
                job.HEADS: heads,
                job.KV_HEADS: kv_heads,
                job.DIM: dim,
                job.WIDTH: width,
                job.INNER: inner,
                job.VOCABULARY: len(self._head.scales),
                job.HEAD_NORMS: int(has_head_norms(blocks[0])),
                job.LAYER_COUNT: layers,
                job.HELD_POSITIONS: len(self._cos),
            }
        )
        self._point(
            {
                job.WEIGHTS: self._blocks.weights,
                job.SCALES: self._blocks.scales,
                job.OFFSETS: self._blocks.offsets,
                job.NORMS: self._blocks.norms,
                job.HEAD_WEIGHTS: self._head.weights,
                job.HEAD_SCALES: self._head.scales,
                job.HEAD_OFFSETS: self._head.offsets,
                job.HEAD_NORM: self._head.norms,
                job.COS: self._cos,
                job.SIN: self._sin,
            }
        )

    def copied(self, _states: Mapping[int, object]) -> dict[int, object]:
        """Nothing: all is in the cache."""
        return {}

    def detach(self) -> None:
        """End the threads."""
        self._crew.close()

    def run(self, batch: Pass, resume: tuple[int, Tensor] | None = None) -> Tensor:
        """Run a pass and return the logits [wanted, vocab] of its wanted positions, in float32.

        With `resume` = (layer, hidden) the pass starts after that block, from what it put out: `hidden`
        [tokens, d_model], before any steering there.
        """
        if torch.get_num_threads() > 1:
            compute_alone()
        if resume is None:
            first, hidden = 0, self._embedding(batch.token_ids).float()
        else:
            first, hidden = resume[0] + 1, batch.after_block(resume[0], resume[1].clone())
        held = self._begin(batch, hidden)
        while first < len(self.shapes):
            touched = (layer for layer in range(first, len(self.shapes)) if batch.touches(layer))
            last = next(touched, len(self.shapes) - 1)
            self._say({job.FIRST: first, job.LAST: last + 1})
            self._crew.do()
            batch.after_block(last, hidden)
            first = last + 1
        del held
        batch.plan.check()
        return self._logits(hidden[batch.wanted])

    def _begin(self, batch: Pass, hidden: Tensor) -> Mapping[int, NDArray[np.generic]]:
        """Lay out what a pass works on, and return it: it has to be held as long."""
        rows, cache, (kv_heads, dim) = len(hidden), batch.cache, self.shapes[0]
        room = rows if rows == 1 else -(-rows // 4) * 4
        positions = batch.positions.numpy()
        blocks = [piece.block for piece in batch.pieces for _ in piece.token_ids]
        longest = (int(positions.max()) // (2 * GROUP) + 1) * 2 * GROUP
        own = TOGETHER * (longest + dim)
        held: dict[int, NDArray[np.generic]] = {
            job.POSITIONS: positions,
            job.STARTS: np.array([block.start * kv_heads for block in blocks]),
            job.SIZES: np.array([block.capacity for block in blocks]),
            job.KEYS: cache.arena_keys.view(torch.uint16).numpy(),
            job.VALUES: cache.arena_values.view(torch.uint16).numpy(),
            job.LAYERS: np.array([each.storage_offset() for each in cache.keys]),
            job.HIDDEN: hidden.numpy(),
            job.Q: np.zeros(room * self._inputs, np.uint8),
            job.S: np.zeros(room, np.float32),
            job.Y: np.empty(room * self._outputs, np.float32),
            job.SEEN: np.empty(rows * self._asked, np.float32),
            job.SCORES: np.empty(own * self._crew.threads, np.float32),
            job.HALVES: np.empty(own * self._crew.threads, np.uint16),
        }
        self._point(held)
        cached = len(cache.arena_keys)
        self._say({job.KIND: job.BLOCKS, job.ROWS: rows, job.LONGEST: longest, job.CACHED: cached})
        return held

    def _logits(self, hidden: Tensor) -> Tensor:
        rows = len(hidden)
        logits = torch.empty(rows, len(self._head.scales))
        if rows:
            room = rows + rows % 2
            held = {
                job.HIDDEN: hidden.numpy(),
                job.Q: np.zeros(2 * room * hidden.shape[1], np.uint8),
                job.S: np.zeros(room, np.float32),
                job.Y: logits.numpy(),
            }
            self._point(held)
            self._say({job.KIND: job.LOGITS, job.ROWS: rows})
            self._crew.do()
        return logits[:, : self._embedding.num_embeddings]

    def _say(self, numbers: Mapping[int, int]) -> None:
        for field, number in numbers.items():
            self._crew.job[field] = number

    def _point(self, arrays: Mapping[int, NDArray[np.generic]]) -> None:
        self._say({field: array.ctypes.data for field, array in arrays.items()})


def _rotary(model: nn.Module, positions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and signed sines [positions, head_dim]: turning is x·cos + roll(x, head_dim / 2)·sin."""
    like = torch.empty(0, dtype=torch.float32)
    rotary = cast("_Base", base_model(model)).rotary_emb
    cos, sin = rotary(like, torch.arange(positions).unsqueeze(0))
    half = cos.shape[-1] // 2
    signed = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)
    return cos[0].contiguous().numpy(), signed.numpy()
