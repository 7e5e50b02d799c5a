"""What makes one format: the one thing that a plug-in of the group `orchestrate.vector_formats` provides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention


@dataclass(frozen=True)
class Format:
    """How one tool keeps steering vectors.

    suffixes: the endings of names that its loader takes. write: the bytes of a file that says the steerings,
    which come by layer, at most one a layer, and fit the model. read: what a file adds; nothing in it may be
    run, and a malformed one is a VectorFileError. first_layer: the lowest block that a file can name. modes:
    the operations that it can say.
    """

    suffixes: tuple[str, ...]
    write: Callable[[Sequence[Intervention], LanguageModel], bytes]
    read: Callable[[Path, LanguageModel], list[Intervention]]
    first_layer: int = 0
    modes: tuple[str, ...] = ("add",)
