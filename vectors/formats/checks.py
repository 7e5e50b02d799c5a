"""What every format asks of its files: a name its tool knows, a bounded size, sound vectors."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vectors.errors import NotExpressible, VectorFileError
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention

HEADER_BYTES = 1 << 20
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise NotExpressible for a file name by which the format's loader would not know it."""
    if path.suffix not in suffixes:
        raise NotExpressible(f"a file of this format ends with {' or '.join(suffixes)}, not {path.name}")


def check_size(path: Path, lm: LanguageModel) -> None:
    """Raise VectorFileError for a file larger than float32 vectors of every block and a header."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise VectorFileError(f"{path.name} cannot be read: {error.strerror}") from error
    limit = HEADER_BYTES + 4 * lm.n_layers * lm.d_model
    if size > limit:
        raise VectorFileError(
            f"{path.name} has {size:,} bytes, vectors of {lm.model_id} take at most {limit:,}; "
            "use a file that was made for this model"
        )


def layer_in(name: str, prefix: str) -> int | None:
    """The layer in a tensor's name such as `direction.15`, None for any other name."""
    found = re.fullmatch(re.escape(prefix) + r"\.(0|[1-9]\d{0,5})", name)
    return int(found[1]) if found else None


def added(
    where: str, layer: int, vector: Tensor, coefficient: float, lm: LanguageModel
) -> Intervention | None:
    """The steering that adds coefficient · vector at a layer, checked; None where that is zero.

    Raises VectorFileError for a layer the model lacks, or a vector that is not a finite [d_model] of a
    floating dtype which float32 holds exactly.
    """
    if layer >= lm.n_layers:
        raise VectorFileError(f"{where}: {lm.model_id} has blocks 0 to {lm.n_layers - 1}, not {layer}")
    plain = type(vector) is Tensor and vector.layout is torch.strided and vector.device.type == "cpu"
    if not plain or vector.dtype not in _DTYPES or vector.shape != (lm.d_model,):
        raise VectorFileError(
            f"{where} is {vector.dtype} {list(vector.shape)[:8]}, expected float32 [{lm.d_model}] for "
            f"{lm.model_id}"
        )
    exact = vector.detach().to(torch.float32, copy=True)
    # In double precision, because the square of a large float32 overflows.
    alpha = coefficient * float(torch.linalg.vector_norm(exact.double()))
    steering = Intervention(exact, layer, alpha)
    if not (torch.isfinite(exact).all() and torch.isfinite(steering.delta()).all()):
        raise VectorFileError(f"{where} holds values that are not finite")
    return steering if steering.delta().any() else None
