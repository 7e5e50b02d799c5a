"""The errors of this room, one class per thing a caller can react to.

Classes that also inherit ValueError or LookupError mean that the caller's input is at fault; the others
mean that the work itself failed.
"""


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


class CertificateError(VectorsError, ValueError):
    """A file of certificates that is malformed, or a calibration that cannot be carried out as asked."""
