"""Steering vectors in the files of other tools, so that they go out to them and come in from them.

What such a file says is a list of `Steering`, one a layer: each adds α·v/‖v‖ to the output of its decoder
block at every position, when the tool applies the file with strength (coefficient, multiplier) 1. All of a
file's layers are added at once. No file says whose model it is for beyond a hint, so reading one takes the
model and checks against it. The project's own files are those of `vectors.domains.library`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vectors.errors import NotExpressible, VectorFileError
from vectors.formats import control_vectors, lm_eval, steering_vectors
from vectors.formats.checks import HEADER_BYTES, check_size, check_suffix, staged
from vectors.models.loading import LanguageModel
from vectors.steering import Steering

OWN = "safetensors"


@dataclass(frozen=True)
class Format:
    """How one tool keeps steering vectors. `first_layer` is the lowest block that its files can name."""

    suffixes: tuple[str, ...]
    first_layer: int
    write: Callable[[Path, Sequence[Steering], LanguageModel], None]
    read: Callable[[Path, LanguageModel], list[Steering]]


FORMATS = {
    "gguf": Format((".gguf",), 1, control_vectors.write, control_vectors.read_for_llama_cpp),
    "lm-eval": Format((".pt", ".pth"), 0, lm_eval.write, lm_eval.read),
    "repeng": Format((".gguf",), 0, control_vectors.write, control_vectors.read_for_repeng),
    "steering-vectors": Format((".safetensors",), 0, steering_vectors.write, steering_vectors.read),
}
NAMES = (*FORMATS, OWN)


def write(name: str, path: Path, steerings: Sequence[Steering], lm: LanguageModel) -> None:
    """Write steerings, at most one a layer, into a file of the format; it appears only when complete.

    Raises NotExpressible for a steering that the format cannot say, SteeringMismatch for one that does not
    fit the model.
    """
    form = FORMATS[name]
    layers = [steering.layer for steering in steerings]
    if not layers or len(set(layers)) < len(layers):
        raise NotExpressible(f"a {name} file holds one vector a layer and at least one, not layers {layers}")
    for steering in steerings:
        steering.validate(lm.n_layers, lm.d_model)
        _check_expressible(name, form, steering)
    check_suffix(path, form.suffixes)
    with staged(path) as file:
        form.write(file, sorted(steerings, key=lambda steering: steering.layer), lm)


def _check_expressible(name: str, form: Format, steering: Steering) -> None:
    if steering.mode != "add":
        raise NotExpressible(f"{name} can only add a vector, not {steering.mode} by it; export mode add")
    if steering.positions != "all":
        raise NotExpressible(
            f"{name} adds to every position, not to the {steering.positions} ones; export positions all"
        )
    if steering.layer < form.first_layer:
        raise NotExpressible(
            f"{name} cannot name block {steering.layer}, for which its loader refuses the whole file; "
            f"choose a layer from {form.first_layer} on, or another format"
        )
    if not steering.delta().any():
        raise NotExpressible(
            f"at layer {steering.layer} α = {steering.alpha:g} adds nothing in float32; choose a larger α"
        )


def read(name: str, path: Path, lm: LanguageModel) -> list[Steering]:
    """Read what a file of the format adds to a model, by layer; α is the norm of what is added.

    A layer whose vector is zero is left out, as nothing is added there. Nothing of the file is executed.
    Raises VectorFileError for a file that is malformed, does not fit the model, says something else than an
    addition to the output of decoder blocks, or adds nothing at all.
    """
    check_size(path, lm)
    steerings = FORMATS[name].read(path, lm)
    if not steerings:
        raise VectorFileError(f"{path.name} adds nothing anywhere: it holds no vector that is not zero")
    return sorted(steerings, key=lambda steering: steering.layer)


def detect(path: Path) -> str:
    """Return the format of a file, from its content. What llama.cpp and repeng both read is "gguf".

    Raises VectorFileError for a file of none of them.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise VectorFileError(f"{path.name} cannot be read: {error.strerror}") from error
    if head[:4] == b"GGUF":
        return "gguf"
    if head[:4] == b"PK\x03\x04":
        return "lm-eval"
    if 0 < int.from_bytes(head, "little") <= HEADER_BYTES:
        return "steering-vectors" if steering_vectors.is_one(path) else OWN
    raise VectorFileError(f"{path.name} is of no format that can be imported: {', '.join(NAMES)}")
