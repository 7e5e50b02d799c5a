"""GGUF control vectors: what llama.cpp reads with --control-vector, repeng with ControlVector.import_gguf.

`direction.<N>` [d_model] F32 is added, times the strength, to the output of block N (from 0). llama.cpp keeps
no vector for block 0 and refuses a file that has one; repeng takes it. Both refuse other dtypes and shapes
or fall over them, and llama.cpp any other tensor.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from vectors.errors import VectorFileError
from vectors.formats.checks import added, layer_in
from vectors.formats.format import Format
from vectors.models.blocks import model_type
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention

_ARCHITECTURE = "controlvector"
_log = logging.getLogger(__name__)


def write(steerings: Sequence[Intervention], lm: LanguageModel) -> bytes:
    """The file with α·v/‖v‖ of each steering, to be applied with strength 1."""
    with tempfile.TemporaryDirectory() as folder:  # the writer takes a name alone
        path = Path(folder, "vector.gguf")
        _write(path, steerings, lm)
        return path.read_bytes()


def _write(path: Path, steerings: Sequence[Intervention], lm: LanguageModel) -> None:
    writer = GGUFWriter(path, _ARCHITECTURE)
    try:
        writer.add_string(f"{_ARCHITECTURE}.model_hint", model_type(lm.model))
        writer.add_uint32(f"{_ARCHITECTURE}.layer_count", len(steerings))
        for steering in steerings:
            writer.add_tensor(f"direction.{steering.layer}", steering.delta().cpu().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def read_for_llama_cpp(path: Path, lm: LanguageModel) -> list[Intervention]:
    """Read what llama.cpp would add. Raises VectorFileError as `steering_files.read` does."""
    return _read(path, lm, first_layer=1)


def read_for_repeng(path: Path, lm: LanguageModel) -> list[Intervention]:
    """Read what repeng would add at coefficient 1. Raises VectorFileError as `files.read` does."""
    return _read(path, lm, first_layer=0)


def _read(path: Path, lm: LanguageModel, first_layer: int) -> list[Intervention]:
    try:
        reader = _BoundedReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # the reader raises whatever a malformed file makes it stumble over
        reason = " ".join(str(error).split())[:120]
        raise VectorFileError(f"{path.name} cannot be read as GGUF: {reason}") from error
    if fields.get("general.architecture") != _ARCHITECTURE:
        raise VectorFileError(f"{path.name} is no control vector: its architecture is not {_ARCHITECTURE}")
    hint = fields.get(f"{_ARCHITECTURE}.model_hint")
    if hint != model_type(lm.model):
        # Only a hint: llama.cpp's own tools write its name of the architecture, repeng that of transformers.
        _log.warning(
            "%s was made for a %.40r, %s is a %s", path.name, hint, lm.model_id, model_type(lm.model)
        )
    steerings = []
    for tensor in reader.tensors:
        layer = layer_in(tensor.name, "direction")
        where = f"{path.name}: {tensor.name[:40]!r}"
        if layer is None:
            raise VectorFileError(f"{where} is no tensor of a control vector, expected direction.<block>")
        if layer < first_layer:
            raise VectorFileError(
                f"{where} makes llama.cpp refuse the whole file; if it is from repeng, name that format"
            )
        if tensor.tensor_type != GGMLQuantizationType.F32 or len(tensor.shape) != 1:
            raise VectorFileError(
                f"{where} is {tensor.tensor_type.name} of shape {tensor.shape.tolist()[:8]}, expected F32 of "
                "one dimension"
            )
        vector = torch.from_numpy(np.array(tensor.data, dtype=np.float32))
        steerings.append(added(where, layer, vector, 1.0, lm))
    return [steering for steering in steerings if steering]


class _BoundedReader(GGUFReader):  # type: ignore[misc]  # the package has no types
    """Refuses to read past the file's end, which the reader itself takes for an empty value: a count in the
    header could keep it busy for ever. Arrays, of which a control vector has none, are refused too.
    """

    def _get(self, offset: int, dtype: object, count: int = 1, override_order: object = None) -> object:
        found = super()._get(offset, dtype, count, override_order)
        if len(found) != int(count):
            raise ValueError("it ends too early")
        return found

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> object:
        if raw_type == 9:
            raise ValueError("it has an array among its fields")
        return super()._get_field_parts(orig_offs, raw_type)


LLAMA_CPP = Format((".gguf",), write, read_for_llama_cpp, first_layer=1)
REPENG = Format((".gguf",), write, read_for_repeng)
