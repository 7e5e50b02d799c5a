"""Steerings out to a file of any format, and in from one, checked on both ways."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vectors.errors import NotExpressible, PluginError, VectorFileError, VectorsError
from vectors.files import write_atomic
from vectors.formats import steering_vectors
from vectors.formats.checks import HEADER_BYTES, check_size, check_suffix
from vectors.formats.format import Format
from vectors.formats.registry import BUILT_IN, OWN, format_of, names
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention
from vectors.steering.positions import ALL


def write(name: str, path: Path, steerings: Sequence[Intervention], lm: LanguageModel) -> None:
    """Write steerings, at most one a layer, into a file of the format; it appears only when complete.

    Raises NotExpressible for a steering that the format cannot say, SteeringMismatch for one that does not
    fit the model.
    """
    check(name, path, steerings, lm)
    form = format_of(name)
    with _blaming(name):
        write_atomic(path, form.write(sorted(steerings, key=lambda steering: steering.layer), lm))


def check(name: str, path: Path, steerings: Sequence[Intervention], lm: LanguageModel) -> None:
    """Raise what `write` would raise, and write nothing."""
    form = format_of(name)
    layers = [steering.layer for steering in steerings]
    if not layers or len(set(layers)) < len(layers):
        raise NotExpressible(f"a {name} file holds one vector a layer and at least one, not layers {layers}")
    for steering in steerings:
        steering.validate(lm.n_layers, lm.d_model)
        _check_expressible(name, form, steering)
    check_suffix(path, form.suffixes)


def _check_expressible(name: str, form: Format, steering: Intervention) -> None:
    if steering.operation not in form.modes:
        modes = " or ".join(form.modes)
        raise NotExpressible(
            f"{name} can say mode {modes} only, not {steering.operation}; export mode {modes}"
        )
    if steering.positions != ALL or steering.when is not None:
        raise NotExpressible(
            f"{name} steers every position, always; export positions all, without a condition"
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


def read(name: str, path: Path, lm: LanguageModel) -> list[Intervention]:
    """Read what a file of the format adds to a model, by layer; α is the norm of what is added.

    A layer whose vector is zero is left out, as nothing is added there. Nothing of the file is executed.
    Raises VectorFileError for a file that is malformed, does not fit the model, says something else than an
    addition to the output of decoder blocks, or adds nothing at all.
    """
    check_size(path, lm)
    form = format_of(name)
    with _blaming(name):
        steerings = sorted(form.read(path, lm), key=lambda steering: steering.layer)
    if other := {steering.operation for steering in steerings} - {"add"}:
        raise VectorFileError(f"{path.name} says to {other.pop()}; only what is added can be imported")
    if not steerings:
        raise VectorFileError(f"{path.name} adds nothing anywhere: it holds no vector that is not zero")
    return steerings


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Tell of a plug-in's own faults in a line that names it."""
    try:
        yield
    except (VectorsError, OSError):
        raise
    except Exception as error:  # a plug-in raises what it likes
        if name in BUILT_IN:
            raise
        raise PluginError(
            f"the format {name} of a plug-in failed: {type(error).__name__}: {error}"
        ) from error


def detect(path: Path) -> str:
    """Return which of our formats a file is of, from its content. What llama.cpp and repeng read is "gguf".

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
    raise VectorFileError(
        f"{path.name} is of no format that can be told by its content; name one of {', '.join(names())}"
    )
