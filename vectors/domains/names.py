"""The names that a steering on this machine may use: domains of a library, and files."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vectors.domains import loreft
from vectors.domains.domain_vector import DomainVector
from vectors.domains.library import VectorLibrary
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent

FILE = ".safetensors"
"""What a name ends with that is a file's."""


@dataclass(frozen=True)
class Names:
    """Looks them up for one model (see `vectors.domains.resolving.Lookup`)."""

    library: VectorLibrary
    lm: LanguageModel
    progress: Progress = silent

    def vector(self, name: str, /) -> DomainVector:
        """A domain's, extracted on first use, or a file's. Raises PromptSetError, VectorFileError."""
        if name.endswith(FILE):
            return self.library.load(Path(name), self.lm)
        return self.library.get(self.lm, name, progress=self.progress)

    def edit(self, name: str, /) -> tuple[Tensor, int | None]:
        """A file's edit of low rank. Raises VectorFileError."""
        return loreft.read(Path(name), self.lm.d_model)
