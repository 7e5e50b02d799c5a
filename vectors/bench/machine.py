"""What a ratio was measured on: processor, memory and how busy the machine was.

Absolute figures mean nothing without it, and a busy machine spoils even ratios.
"""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from vectors.threads import in_own_thread

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
_READ_BYTES = 512 << 20  # far more than any cache holds
_BUSY_SHARE = 0.25


@dataclass(frozen=True)
class Machine:
    """The machine at the start of a run. `read_gb_per_s` is what its threads read together."""

    processor: str
    cores: int
    flags: tuple[str, ...]
    memory_gib: float
    device: str
    read_gb_per_s: float
    python: str
    torch: str
    transformers: str
    threads: int
    load_average: float

    @property
    def busy(self) -> bool:
        """Whether other work had more than a quarter of the cores in the minute before the start."""
        return self.load_average > _BUSY_SHARE * self.cores


def describe(device: str) -> Machine:
    """Look at the machine, and measure its memory."""
    load = os.getloadavg()[0]  # before the measurement adds to it
    cpuinfo = _cpuinfo()
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return Machine(
        processor=cpuinfo.get("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        flags=tuple(flag for flag in _FLAGS if flag in flags),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        read_gb_per_s=round(read_bandwidth(device) / 1e9, 1),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        threads=torch.get_num_threads(),
        load_average=round(load, 2),
    )


def read_bandwidth(device: str) -> float:
    """Bytes per second that all threads read together: the best of several sums over 512 MiB of float32.

    The array is written first. Pages that were never written are all one page of zeros, which the cache
    holds, and reading them gives several times the bandwidth of the memory.
    """
    return in_own_thread(_best_read, device)


def _best_read(device: str) -> float:
    values = torch.ones(_READ_BYTES // 4, device=device)
    best = 0.0
    for _ in range(5):
        for read in (torch.sum, lambda array: torch.dot(array, array)):
            started = time.perf_counter()
            read(values).item()
            best = max(best, _READ_BYTES / (time.perf_counter() - started))
    return best


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
