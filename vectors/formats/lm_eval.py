"""The `.pt` file of lm-eval's model type `steered`: which module's output to change, by what, how strongly.

A dict {hookpoint: {steering_vector, steering_coefficient, action, bias, head_index}}. Hookpoints are names of
modules under the base model (`layers.15`), and `add` adds steering_coefficient · steering_vector at every
position. The file is a pickle, so it is read by torch's restricted unpickler (`weights_only`), which runs
nothing; and through a memory map, in which a tensor that claims more than the file holds is an error.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vectors.errors import VectorFileError
from vectors.formats.checks import HEADER_BYTES, added
from vectors.formats.format import Format
from vectors.models.blocks import base_model, decoder_blocks
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention

_KEYS = {"steering_vector", "steering_coefficient", "action", "bias", "head_index"}


def write(steerings: Sequence[Intervention], lm: LanguageModel) -> bytes:
    """The file with v/‖v‖ as the vector and α as the coefficient of each steering."""
    names = {layer: name for name, layer in _hookpoints(lm).items()}
    config = {
        names[steering.layer]: {
            "steering_vector": Intervention(steering.vector, steering.layer, 1.0).delta().cpu(),
            "steering_coefficient": float(steering.alpha),
            "action": "add",
            "bias": None,
            "head_index": None,
        }
        for steering in steerings
    }
    file = io.BytesIO()
    torch.save(config, file)
    return file.getvalue()


def read(path: Path, lm: LanguageModel) -> list[Intervention]:
    """Read what lm-eval would add. Raises VectorFileError as `steering_files.read` does."""
    config = _load(path)
    if type(config) is not dict or len(config) > lm.n_layers:
        raise VectorFileError(f"{path.name} does not hold a dict of at most one entry a block")
    hookpoints = _hookpoints(lm)
    steerings = []
    for hookpoint, entry in config.items():
        if not isinstance(hookpoint, str) or hookpoint not in hookpoints:
            raise VectorFileError(
                f"{path.name}: {_brief(hookpoint)} is not the output of a decoder block of {lm.model_id}, "
                f"expected {next(iter(hookpoints))} to {list(hookpoints)[-1]}"
            )
        where = f"{path.name}: {hookpoint}"
        vector, coefficient = _checked(where, entry)
        steerings.append(added(where, hookpoints[hookpoint], vector, coefficient, lm))
    return [steering for steering in steerings if steering]


def _hookpoints(lm: LanguageModel) -> dict[str, int]:
    """Names of the decoder blocks under the base model, in order."""
    names = {module: name for name, module in base_model(lm.model).named_modules()}
    return {names[block]: layer for layer, block in enumerate(decoder_blocks(lm.model))}


def _load(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        # torch stores and never compresses; mapped, a compressed entry would be read as noise. There is one
        # pickle: with a second one it is TorchScript.
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        pickles = [entry.file_size for entry in entries if entry.filename.endswith(".pkl")]
        if not stored or len(pickles) != 1 or pickles[0] > HEADER_BYTES:
            raise VectorFileError(f"{path.name} is not an archive as torch.save writes it")
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except VectorFileError:
        raise
    except Exception as error:  # zipfile and torch raise whatever a malformed file makes them stumble over
        raise VectorFileError(
            f"{path.name} cannot be read as a .pt file of plain tensors, numbers and texts "
            f"({type(error).__name__}); nothing in it was run"
        ) from error


def _checked(where: str, entry: object) -> tuple[Tensor, float]:
    """The vector and the coefficient of an entry that adds, or VectorFileError."""
    if type(entry) is not dict or not {"steering_vector", "action"} <= set(entry) <= _KEYS:
        raise VectorFileError(f"{where} does not hold {', '.join(sorted(_KEYS))} and nothing else")
    if entry["action"] != "add":
        raise VectorFileError(f"{where} has the action {_brief(entry['action'])}, only add can be imported")
    for key in ("bias", "head_index"):
        if entry.get(key) is not None:
            raise VectorFileError(f"{where} has a {key}, which an added vector cannot have; expected None")
    vector, coefficient = entry["steering_vector"], entry.get("steering_coefficient", 1.0)
    if not isinstance(vector, Tensor):
        raise VectorFileError(f"{where}: steering_vector is {_brief(vector)}, expected a tensor")
    if type(coefficient) not in (int, float) or not math.isfinite(coefficient):
        raise VectorFileError(
            f"{where}: steering_coefficient is {_brief(coefficient)}, expected a finite number"
        )
    return vector, float(coefficient)


def _brief(value: object) -> str:
    """A value from a file, fit for a message: a text or number in short, else only its type."""
    return repr(value)[:40] if isinstance(value, str | float) else f"a {type(value).__name__}"


FORMAT = Format((".pt", ".pth"), write, read)
