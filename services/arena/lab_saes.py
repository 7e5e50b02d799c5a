"""Which autoencoders of a model the server's laboratory has, each by an id that leads nowhere else."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import ConfigError
from orchestrator.lab.folder import SAES
from orchestrator.policy.decisions import Record
from services.arena.lab_findings import file_bytes, finished
from services.errors import Invalid, NotFound
from vectors.errors import SaeError
from vectors.lab.sae.folders import CONFIG, SPARSITY, WEIGHTS, layer_of
from vectors.models.loading import LanguageModel

_MOST_WEIGHTS = 4 << 30


class SaeAtHand(Record):
    """An autoencoder of the model in the laboratory: the block that it was trained at, and its size."""

    id: str
    name: str
    layer: int
    architecture: str
    features: int


class _SaeMetadata(Record):
    model_digest: str
    layer: int


class _SaeConfig(Record):
    architecture: str
    d_sae: int
    metadata: _SaeMetadata


@dataclass(frozen=True)
class OpenSae:
    """An autoencoder that was asked for: its folder, its block, and the hash of its weights."""

    told: SaeAtHand
    folder: Path
    layer: int
    sha256: str

    def refused(self, error: SaeError | ConfigError) -> Invalid:
        """What is wrong with it, without saying where it lies."""
        said = str(error).replace(str(self.folder), self.told.name)
        return Invalid(f"the autoencoder {self.told.name} cannot be used: {said}")


def saes_below(root: Path, model_digest: str) -> list[SaeAtHand]:
    """The autoencoders that were trained on a model, by layer."""
    found = [told for told, _ in _below(root, model_digest)]
    return sorted(found, key=lambda each: (each.layer, each.name, each.id))


def open_sae(root: Path, lm: LanguageModel, sae_id: str) -> OpenSae:
    """The autoencoder of an id, which is another's or nobody's as little as a damaged one.

    Raises NotFound, and Invalid for one whose files are missing, too large or links, or that does not fit.
    """
    found = next(((told, folder) for told, folder in _below(root, lm.digest) if told.id == sae_id), None)
    if found is None:
        raise NotFound(
            "there is no such autoencoder of the model in memory: GET /v1/arena/library lists those there are"
        )
    told, folder = found
    try:
        for name in (WEIGHTS, SPARSITY):
            path = folder / name
            if path.is_symlink() or (path.exists() and path.stat().st_size > _MOST_WEIGHTS):
                raise SaeError(f"{name} is a link, or larger than {_MOST_WEIGHTS >> 30} GiB")
        layer = layer_of(folder, lm.digest, lm.n_layers, lm.d_model)
        status = (folder / WEIGHTS).stat()
        return OpenSae(told, folder, layer, _sha256(folder / WEIGHTS, status.st_mtime_ns, status.st_size))
    except SaeError as error:
        raise OpenSae(told, folder, told.layer, "").refused(error) from None
    except OSError as error:
        missing = SaeError(f"no {WEIGHTS} that can be read: {error.strerror}")
        raise OpenSae(told, folder, told.layer, "").refused(missing) from None


def _below(root: Path, model_digest: str) -> Iterator[tuple[SaeAtHand, Path]]:
    whole = root.resolve()
    for folder in finished(root):
        for path in sorted(folder.glob(f"{SAES}/*/{CONFIG}")):
            if not path.resolve().is_relative_to(whole):
                continue
            try:
                config = _SaeConfig.model_validate_json(file_bytes(path))
            except (OSError, ValidationError):
                continue  # whatever is there, it is no autoencoder
            if config.metadata.model_digest == model_digest:
                where = str(path.parent.relative_to(whole))
                yield (
                    SaeAtHand(
                        id=hashlib.sha256(where.encode()).hexdigest()[:16],
                        name=path.parent.name,
                        layer=config.metadata.layer,
                        architecture=config.architecture,
                        features=config.d_sae,
                    ),
                    path.parent,
                )


@lru_cache(maxsize=64)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    """Of a file as it was at that time."""
    del changed_ns, size
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
