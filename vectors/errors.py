"""The errors of this room, one class per thing a caller can react to.

Classes that also inherit ValueError or LookupError mean that the caller's input is at fault; the others
mean that the work itself failed.
"""

import traceback
from typing import TypeVar

_E = TypeVar("_E", bound=BaseException)


class VectorsError(Exception):
    """Base of every error raised on purpose by this room."""


class SteeringMismatch(VectorsError, ValueError):
    """A steering that does not fit the model: layer, dimension, dtype, or a value that is not finite."""


class InvalidRequest(VectorsError, ValueError):
    """A generation request that cannot be run: sampling settings, prompt tokens, or too long a context."""


class ModelUnavailable(VectorsError, LookupError):
    """A model that none of the places tried could provide."""


class UnsupportedModel(VectorsError, ValueError):
    """A model in which the decoder blocks, their output or the unembedding cannot be found."""


class VectorFileError(VectorsError, ValueError):
    """A vector file that is malformed, or that was made for another model."""


class NotExpressible(VectorsError, ValueError):
    """A steering that the format of a file cannot say."""


class SteeringNotApplied(VectorsError):
    """A forward pass that should have been steered and was not; its output must not be used."""


class GenerationFault(VectorsError):
    """A forward pass that failed, or whose logits are not finite."""


class EngineClosed(VectorsError):
    """A request submitted to an engine that was closed."""


class UnfitAnalysis(VectorsError, ValueError):
    """What an analysis was given and cannot use: prompts, a grid, weights, or the name of a figure's file."""


class PeerUnavailable(VectorsError):
    """Another library that the engine is measured against, and that is missing, cannot be built or failed."""


class TextSetError(VectorsError, ValueError):
    """Held-out texts that do not exist or are not of the expected form."""


class SaeError(VectorsError, ValueError):
    """A sparse autoencoder that cannot be read, or not be run as it was trained."""


class PluginError(VectorsError, ValueError):
    """An installed plug-in that cannot be used: its name is taken, it fails to load, or is no such thing."""


class CertificateError(VectorsError, ValueError):
    """A file of certificates that is malformed, or a calibration that cannot be carried out as asked."""


def without_frames(error: _E) -> _E:
    """The error with its traceback as a note of text.

    A traceback keeps the frames of whoever was running, all the way down, and so the tensors of a whole pass
    for as long as somebody keeps the error.
    """
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    chained: BaseException | None = error
    while chained is not None and chained.__traceback__ is not None:
        chained.__traceback__ = None
        chained = chained.__cause__ or chained.__context__
    return error


def generation_fault(what: str, error: Exception) -> GenerationFault:
    """A fault of one row, caused by `error`."""
    fault = GenerationFault(f"{what} {type(error).__name__}: {error}")
    fault.__cause__ = without_frames(error)
    return fault
