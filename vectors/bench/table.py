"""The rows of the engine's table: what is measured against what, and the ratio that is aimed at.

Kept apart from the measuring so that the command line can name the rows without loading torch.
"""

from dataclasses import dataclass
from typing import Literal

Who = Literal[
    "engine", "engine unsteered", "hf sequential", "hf batch", "llama.cpp", "memory", "memory, dense weights"
]
Precision = Literal["best", "float32", "bfloat16", "int8", "q4_1"]
"""`best` is what the engine is loaded in by default on this machine."""
WorkloadName = Literal[
    "mixed16", "lists16", "decode16", "single", "prefill", "sweep66", "three_nodes", "poisson24"
]


@dataclass(frozen=True)
class Side:
    """One side of a ratio: who does the work, and in which precision."""

    who: Who
    dtype: Precision = "best"


@dataclass(frozen=True)
class RowSpec:
    """One row: the rate of `ours` over the rate of `peer` on a workload.

    `target` is None for a row that only informs. `same_tokens` asks whether both sides gave the same tokens,
    which holds in float32 only.
    """

    name: str
    workload: WorkloadName
    ours: Side
    peer: Side
    target: float | None
    same_tokens: bool = False


MEMORY: tuple[Who, ...] = ("memory", "memory, dense weights")
"""Not a server but a bound: as many tokens per second as the memory can deliver the weights of."""

ENGINE, FP32, BF16 = Side("engine"), Side("engine", "float32"), Side("engine", "bfloat16")
UNSTEERED_FP32, UNSTEERED_BF16 = Side("engine unsteered", "float32"), Side("engine unsteered", "bfloat16")
HF_FP32, HF_BF16 = Side("hf sequential", "float32"), Side("hf sequential", "bfloat16")
INT8, LLAMA_CPP = Side("engine", "int8"), Side("llama.cpp", "q4_1")

ROWS = (
    RowSpec("mixed16_vs_sequential_hf", "mixed16", ENGINE, HF_FP32, 16),
    RowSpec("mixed16_vs_sequential_hf_fp32", "mixed16", FP32, HF_FP32, 5, same_tokens=True),
    RowSpec("mixed16_vs_hf_batch16_fp32", "mixed16", FP32, Side("hf batch", "float32"), 1.2),
    RowSpec("mixed16_vs_hf_batch16_bf16", "mixed16", BF16, Side("hf batch", "bfloat16"), 1.7),
    RowSpec("mixed16_vs_unsteered16", "mixed16", ENGINE, Side("engine unsteered"), 0.98),
    RowSpec("lists16_vs_unsteered16", "lists16", ENGINE, Side("engine unsteered"), 0.93),
    RowSpec("single_vs_hf_fp32", "single", FP32, HF_FP32, 1.25, same_tokens=True),
    RowSpec("single_vs_hf_bf16", "single", BF16, HF_BF16, 1.8),
    RowSpec("single_bandwidth_share", "single", ENGINE, Side("memory"), 0.55),
    RowSpec("single_bandwidth_share_dense", "single", ENGINE, Side("memory, dense weights"), None),
    RowSpec("sweep66_fp32", "sweep66", FP32, HF_FP32, 6, same_tokens=True),
    RowSpec("sweep66_bf16", "sweep66", BF16, HF_FP32, 12),
    RowSpec("three_nodes_fp32", "three_nodes", FP32, HF_FP32, 1.7, same_tokens=True),
    RowSpec("three_nodes_bf16", "three_nodes", BF16, HF_FP32, 4),
    RowSpec("three_nodes_unsteered_fp32", "three_nodes", UNSTEERED_FP32, HF_FP32, None),
    RowSpec("three_nodes_unsteered_bf16", "three_nodes", UNSTEERED_BF16, HF_FP32, None),
    RowSpec("poisson24", "poisson24", ENGINE, Side("hf sequential"), 6),
    RowSpec("single_vs_llamacpp", "single", ENGINE, LLAMA_CPP, 1),
    RowSpec("prefill_vs_llamacpp", "prefill", ENGINE, LLAMA_CPP, 9),
    RowSpec("mixed16_vs_llamacpp16", "decode16", ENGINE, LLAMA_CPP, 3),
    RowSpec("single_int8_vs_bf16", "single", INT8, BF16, None),
    RowSpec("prefill_int8_vs_bf16", "prefill", INT8, BF16, 1.6),
    RowSpec("decode16_int8_vs_bf16", "decode16", INT8, BF16, 1.5),
    RowSpec("mixed16_int8_vs_sequential_hf", "mixed16", INT8, HF_FP32, 21),
    RowSpec("three_nodes_int8", "three_nodes", INT8, HF_FP32, 5),
    RowSpec("single_int8_vs_llamacpp", "single", INT8, LLAMA_CPP, 1.2),
    RowSpec("prefill_int8_vs_llamacpp", "prefill", INT8, LLAMA_CPP, 6),
    RowSpec("mixed16_int8_vs_llamacpp16", "decode16", INT8, LLAMA_CPP, 2.5),
)
ROW_NAMES = tuple(row.name for row in ROWS)
