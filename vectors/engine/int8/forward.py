"""The decoder of the Llama family in eight bits: weights and what goes into products are bytes, sums are whole.

The residual stream, norms, attention and the key-value cache are float32. Each row's numbers are computed
from its own alone and in one order, so they do not change with the batch that it is in.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vectors.engine.int8 import blocks as job
from vectors.engine.int8.attention import GROUP
from vectors.engine.int8.crew import Crew
from vectors.engine.int8.weights import aligned, quantised
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.ragged import Pass
from vectors.models.blocks import base_model, decoder_blocks, embedding, final_norm, head, text_config

Smoothing = Mapping[tuple[int, str], Tensor]


class Int8Forward:
    """Runs passes through a model of the family, whose weights it copies; `detach` ends its threads."""

    resumable = True
    reusable = True
    in_pieces = True
    dtype = torch.float32

    def __init__(self, model: nn.Module, smoothing: Smoothing) -> None:
        config = text_config(model)
        self._embedding = embedding(model)
        layers = decoder_blocks(model)
        heads, kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        width, inner = int(config.hidden_size), int(config.intermediate_size)
        self._rotary(model, int(config.max_position_embeddings))
        dim = self._cos.shape[1]
        self.shapes = [(kv_heads, dim)] * len(layers)
        self._group = heads // kv_heads
        self._room = max((heads + 2 * kv_heads) * dim, 2 * inner)
        self._bytes = max(inner, width, heads * dim)
        self._asked = heads * dim
        self._pack(model, smoothing, dim)
        constants = np.array([config.rms_norm_eps, dim**-0.5], np.float32)
        self._crew = Crew(torch.get_num_threads(), constants)
        fixed = {
            job.HEADS: heads,
            job.KV_HEADS: kv_heads,
            job.DIM: dim,
            job.WIDTH: width,
            job.INNER: inner,
            job.VOCABULARY: len(self._head_scales),
            job.HEAD_NORMS: int(self._head_norms),
            job.LAYER_COUNT: len(layers),
            job.HELD_POSITIONS: len(self._cos),
        }
        for field, number in fixed.items():
            self._crew.job[field] = number
        self._point(
            {
                job.WEIGHTS: self._weights,
                job.HEAD_WEIGHTS: self._head_weights,
                job.SCALES: self._scales,
                job.OFFSETS: self._offsets,
                job.NORMS: self._norms,
                job.HEAD_SCALES: self._head_scales,
                job.HEAD_OFFSETS: self._head_offsets,
                job.HEAD_NORM: self._head_norm,
                job.COS: self._cos,
                job.SIN: self._sin,
            }
        )

    fits = staticmethod(LlamaForward.fits)

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
        if resume is None:
            first, hidden = 0, self._embedding(batch.token_ids).float()
        else:
            first, hidden = resume[0] + 1, batch.after_block(resume[0], resume[1].clone())
        hidden = hidden.contiguous()
        self._begin(batch, hidden)
        layers = len(self.shapes)
        while first < layers:
            last = next((each for each in range(first, layers) if batch.touches(each)), layers - 1)
            self._crew.job[job.FIRST], self._crew.job[job.LAST] = first, last + 1
            self._crew.do()
            after = batch.after_block(last, hidden)
            if after is not hidden:
                hidden.copy_(after)
            first = last + 1
        batch.plan.check()
        return self._logits(hidden[batch.wanted])

    def _begin(self, batch: Pass, hidden: Tensor) -> None:
        """Lay out what a pass works on."""
        rows, threads = len(hidden), self._crew.threads
        room = rows if rows == 1 else -(-rows // 4) * 4
        positions = batch.positions.numpy()
        blocks = [piece.block for piece in batch.pieces for _ in piece.token_ids]
        heads = self.shapes[0][0]
        longest = (int(positions.max()) // GROUP + 1) * GROUP
        cache = batch.cache
        self._held: dict[int, NDArray[np.generic]] = {
            job.POSITIONS: positions,
            job.STARTS: np.array([block.start * heads for block in blocks]),
            job.SIZES: np.array([block.capacity for block in blocks]),
            job.KEYS: cache.arena_keys.numpy(),
            job.VALUES: cache.arena_values.numpy(),
            job.LAYERS: np.array([each.storage_offset() for each in cache.keys]),
            job.HIDDEN: hidden.numpy(),
            job.Q: np.zeros(room * self._bytes, np.uint8),
            job.S: np.zeros(room, np.float32),
            job.Y: np.empty(room * self._room, np.float32),
            job.SEEN: np.empty(rows * self._asked, np.float32),
            job.SCORES: np.empty(4 * threads * longest, np.float32),
        }
        self._point(self._held)
        for field, number in (
            (job.KIND, job.BLOCKS),
            (job.ROWS, rows),
            (job.LONGEST, longest),
            (job.CACHED, len(cache.arena_keys)),
        ):
            self._crew.job[field] = number

    def _logits(self, hidden: Tensor) -> Tensor:
        rows, room = len(hidden), len(hidden) + len(hidden) % 2
        logits = torch.empty(rows, len(self._head_scales))
        if rows:
            held = {
                job.HIDDEN: hidden.numpy(),
                job.Q: np.zeros(2 * room * hidden.shape[1], np.uint8),
                job.S: np.zeros(room, np.float32),
                job.Y: logits.numpy(),
            }
            self._point(held)
            self._crew.job[job.KIND], self._crew.job[job.ROWS] = job.LOGITS, rows
            self._crew.do()
        return logits

    def _point(self, arrays: Mapping[int, NDArray[np.generic]]) -> None:
        for field, array in arrays.items():
            self._crew.job[field] = array.ctypes.data

    def _pack(self, model: nn.Module, smoothing: Smoothing, dim: int) -> None:
        """Copy and round the weights, block by block, and fold the smoothing into what comes before."""
        parts, scales, offsets, norms = [], [], [], []
        for number, block in enumerate(decoder_blocks(model)):
            attention, mlp = block.self_attn, block.mlp
            joint = torch.cat([getattr(attention, f"{name}_proj").weight for name in "qkv"])
            both = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
            products = {"qkv": joint, "out": attention.o_proj.weight, "up": both, "down": mlp.down_proj.weight}
            even = {
                name: smoothing.get((number, name), torch.ones(weight.shape[1]))
                for name, weight in products.items()
            }
            for name, weight in products.items():
                made = quantised(weight.detach(), even[name])
                for where, each in zip((parts, scales, offsets), made, strict=True):
                    where.append(each)
            own = [torch.ones(dim), torch.ones(dim)]
            self._head_norms = hasattr(attention, "q_norm")
            if self._head_norms:
                own = [attention.q_norm.weight.detach().float(), attention.k_norm.weight.detach().float()]
            norms += [
                block.input_layernorm.weight.detach().float() / even["qkv"],
                block.post_attention_layernorm.weight.detach().float() / even["up"],
                1 / even["out"],
                1 / even["down"],
                *own,
            ]
        self._weights = aligned(sum(map(len, parts)))
        np.concatenate(parts, out=self._weights)
        self._scales, self._offsets = np.concatenate(scales), np.concatenate(offsets)
        self._norms = torch.cat(norms).numpy()
        even_head = smoothing.get((len(self.shapes), "head"), torch.ones(self._embedding.weight.shape[1]))
        packed, self._head_scales, self._head_offsets = quantised(head(model).weight.detach(), even_head)
        self._head_weights = aligned(len(packed))
        self._head_weights[:] = packed
        self._head_norm = (final_norm(model).weight.detach().float() / even_head).numpy()

    def _rotary(self, model: nn.Module, positions: int) -> None:
        """Cosines and signed sines [positions, head_dim]: turning is x·cos + roll(x, head_dim / 2)·sin."""
        like = torch.empty(0, dtype=torch.float32)
        cos, sin = base_model(model).rotary_emb(like, torch.arange(positions).unsqueeze(0))
        half = cos.shape[-1] // 2
        self._cos = cos[0].contiguous().numpy()
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1).numpy()
