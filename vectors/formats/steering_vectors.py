"""Files for the library steering-vectors, which has none of its own: the fields of its SteeringVector.

A safetensors file of `layer_activations.<i>` [d_model], to be added to the output of decoder block i (from 0)
times the multiplier, and the metadata `layer_type`. The library's vectors of other layer types (attention,
MLP, norms) are added elsewhere than ours and are refused.
"""

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from vectors.errors import VectorFileError
from vectors.formats.checks import added, layer_in
from vectors.formats.format import Format
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention

_FIELD = "layer_activations"
_LAYER_TYPE = "decoder_block"


def write(steerings: Sequence[Intervention], lm: LanguageModel) -> bytes:
    """The file with α·v/‖v‖ of each steering, to be applied with multiplier 1."""
    del lm
    tensors = {f"{_FIELD}.{steering.layer}": steering.delta().cpu().contiguous() for steering in steerings}
    return save(tensors, metadata={"format": "steering-vectors", "layer_type": _LAYER_TYPE})


def read(path: Path, lm: LanguageModel) -> list[Intervention]:
    """Read what the library would add. Raises VectorFileError as `steering_files.read` does."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VectorFileError(f"{path.name} cannot be read as safetensors: {error}") from error
    if metadata.get("layer_type") != _LAYER_TYPE:
        found = str(metadata.get("layer_type"))[:40]
        raise VectorFileError(f"{path.name} has the layer_type {found!r}, expected {_LAYER_TYPE!r}")
    steerings = []
    for name, vector in tensors.items():
        layer = layer_in(name, _FIELD)
        where = f"{path.name}: {name[:40]!r}"
        if layer is None:
            raise VectorFileError(f"{where} is no tensor of a steering vector, expected {_FIELD}.<block>")
        steerings.append(added(where, layer, vector, 1.0, lm))
    return [steering for steering in steerings if steering]


def is_one(path: Path) -> bool:
    """Whether a safetensors file holds what this module writes. Raises VectorFileError if it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return any(layer_in(name, _FIELD) is not None for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VectorFileError(f"{path.name} cannot be read as safetensors: {error}") from error


FORMAT = Format((".safetensors",), write, read)
