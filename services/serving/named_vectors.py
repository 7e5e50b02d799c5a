"""The vectors that a request may name: the project's domains, and what the caller uploaded.

Uploads are their owner's alone and cannot take a domain's name, so nobody changes how another's task is
steered. Nothing but safetensors is read, and nothing of a file is used before all of it was checked.
"""

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from orchestrator.session import Session
from services.errors import Conflict, Invalid, NotFound
from services.serving.steering import SteeringRequest
from services.settings import BODY_BYTES, ServeSettings
from vectors.domains import library
from vectors.domains.domain_vector import DomainVector
from vectors.errors import SteeringMismatch, VectorFileError
from vectors.models.loading import LanguageModel
from vectors.steering import Steering
from vectors.suggestions import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_UPLOADS = 100


Source = Literal["built-in", "own", "uploaded"]
"""The project's domains, those that the operator made of pairs of their own, and what the caller brought."""


@dataclass(frozen=True)
class Named:
    """A vector with where it comes from."""

    source: Source
    vector: DomainVector


class Vectors:
    """Vectors of the one model. Reading and writing block."""

    def __init__(self, lm: LanguageModel, model_name: str, settings: ServeSettings) -> None:
        self._lm, self._model_name, self._settings = lm, model_name, settings
        self._here: dict[str, Named] = {}

    def warm(self, session: Session) -> None:
        """Extract or read the project's and the operator's own vectors, so that no request waits."""
        domains = session.vectors.domains
        for domain in domains.names():
            vector = session.vectors.get(self._lm, domain, progress=session.progress)
            self._here[domain] = Named("own" if domains.is_own(domain) else "built-in", vector)

    def names(self, owner: str) -> list[tuple[str, Source]]:
        """What this owner may name, in alphabetical order."""
        found: list[tuple[str, Source]] = [(name, named.source) for name, named in self._here.items()]
        found += [(path.stem, "uploaded") for path in self._folder(owner).glob("*.safetensors")]
        return sorted(found)

    def get(self, owner: str, model: str, domain: str) -> Named:
        """A vector by its address. Raises NotFound, for another owner's as for none."""
        if model == self._model_name and domain in self._here:
            return self._here[domain]
        return Named("uploaded", self._read(self._uploaded(owner, model, domain), domain))

    def put(self, owner: str, model: str, domain: str, data: bytes) -> tuple[Named, bool]:
        """Keep an owner's vector; the flag says whether it is new. Raises NotFound, Conflict, Invalid."""
        path = self._path(owner, domain)
        if model != self._model_name or path is None:
            raise NotFound(f"vectors are kept for {self._model_name} only, under names of letters and digits")
        if domain in self._here:
            raise Conflict(f"{domain} is one of this server's own domains: choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.is_file()
        if new and len(list(path.parent.glob("*.safetensors"))) >= MOST_UPLOADS:
            raise Conflict(f"a key may keep {MOST_UPLOADS} vectors")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            staged = Path(folder) / "vector.safetensors"
            staged.write_bytes(data)
            vector = self._read(staged, domain)
            staged.replace(path)
        return Named("uploaded", vector), new

    def delete(self, owner: str, model: str, domain: str) -> None:
        """Delete an owner's vector. Raises NotFound, and Conflict for one of the server's own domains."""
        if model == self._model_name and domain in self._here:
            raise Conflict(f"{domain} is one of this server's own domains: only uploads can be deleted")
        self._uploaded(owner, model, domain).unlink(missing_ok=True)

    def steering(self, owner: str, asked: SteeringRequest) -> Steering:
        """What a request asks for, as a steering that fits the model. Raises Invalid, NotFound."""
        if asked.vector is not None:
            assert asked.layer is not None and asked.alpha is not None
            tensor = torch.tensor(asked.vector, dtype=torch.float32)
            steering = Steering(tensor, asked.layer, asked.alpha, asked.mode, asked.positions)
        else:
            assert asked.domain is not None
            vector = self.get(owner, self._model_name, asked.domain).vector
            try:
                steering = vector.steering(asked.layer, asked.alpha, asked.mode, asked.positions)
            except SteeringMismatch as error:
                raise Invalid(f"steering: {error}") from None
        if abs(steering.alpha) > self._settings.steering_norm:
            raise Invalid(f"steering.alpha is {steering.alpha:g}: at most {self._settings.steering_norm:g}")
        try:
            steering.validate(self._lm.n_layers, self._lm.d_model)
        except SteeringMismatch as error:
            raise Invalid(f"steering: {error}") from None
        return steering

    def _read(self, path: Path, domain: str) -> DomainVector:
        try:
            if path.stat().st_size > BODY_BYTES:
                raise VectorFileError(f"the file is larger than {BODY_BYTES} bytes")
            vector = library.load(path, self._lm)
        except VectorFileError as error:
            raise Invalid(str(error).replace(path.name, "the vector")) from None
        largest = max(float(vector.norms().max()), abs(vector.default_alpha))
        if not largest <= self._settings.steering_norm:
            raise Invalid(
                f"the largest norm or α is {largest:g}, at most {self._settings.steering_norm:g} is taken"
            )
        return replace(vector, domain=domain)

    def _uploaded(self, owner: str, model: str, domain: str) -> Path:
        path = self._path(owner, domain)
        if model != self._model_name or path is None or not path.is_file():
            near = did_you_mean(domain[:100], [name for name, _ in self.names(owner)])
            raise NotFound(f"there is no vector {model[:100]}/{domain[:100]}: see GET /v1/vectors{near}")
        return path

    def _path(self, owner: str, domain: str) -> Path | None:
        if not _NAME.fullmatch(domain):
            return None
        return self._folder(owner) / f"{domain}.safetensors"

    def _folder(self, owner: str) -> Path:
        # Owners are ids of keys, or "local"; a model's digest keeps vectors apart when it is exchanged.
        return self._settings.data / "vectors" / owner / self._lm.digest[:16]
