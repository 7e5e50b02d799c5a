"""The vectors that a request may name: the project's domains, the operator's, and what the caller uploaded.

Uploads are their owner's alone and cannot take a domain's name, so nobody changes how another's task is
steered. Nothing but safetensors is read, and nothing of a file is used before all of it was checked.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from orchestrator.session import Session
from services.errors import Conflict, Invalid, NotFound
from services.serving.steering import InterventionRequest, ProbeRequest
from services.settings import BODY_BYTES, ServeSettings
from vectors.domains import library
from vectors.domains.domain_vector import DomainVector
from vectors.domains.library import VectorLibrary
from vectors.domains.resolving import condition_for, probe_of, resolved
from vectors.errors import SteeringMismatch, VectorFileError
from vectors.measuring.dosing import Dosing
from vectors.models.loading import LanguageModel
from vectors.steering.intervention import Intervention, Probe, Steering, validate
from vectors.steering.reading import terms_of
from vectors.steering.terms import MOST_INTERVENTIONS, NamedProbe
from vectors.suggestions import did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_UPLOADS = 100


Source = Literal["built-in", "own", "library", "uploaded"]
"""The project's domains, those that the operator made of pairs of their own, what is kept beside them in the
operator's library (made of an autoencoder's features, or imported), and what the caller brought or had made.
"""


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
        self._library: VectorLibrary | None = None
        self._dosing: Dosing | None = None

    def warm(self, session: Session) -> None:
        """Extract or read the project's and the operator's own vectors, so that no request waits."""
        self._library, self._dosing = session.vectors, session.dosing
        domains = session.vectors.domains
        for domain in domains.names():
            vector = session.vectors.get(self._lm, domain, progress=session.progress)
            self._here[domain] = Named("own" if domains.is_own(domain) else "built-in", vector)

    def names(self, owner: str) -> list[tuple[str, Source]]:
        """What this owner may name, in alphabetical order."""
        kept = self._library.kept(self._lm) if self._library else ()
        found: dict[str, Source] = {each.domain: "library" for each in kept}
        found |= {name: named.source for name, named in self._here.items()}
        found |= {path.stem: "uploaded" for path in self._folder(owner).glob("*.safetensors")}
        return sorted(found.items())

    def get(self, owner: str, model: str, domain: str) -> Named:
        """A vector by its address, the caller's own before one of the operator's library.

        Raises NotFound, for another owner's as for none.
        """
        if (found := self._servers(owner, model, domain)) is not None:
            return found
        return Named("uploaded", self._read(self._uploaded(owner, model, domain), domain))

    def known_alpha(self, vector: DomainVector) -> float | None:
        """The α of one dose at a vector's default layer; None where it would have to be measured first."""
        dosing = self._dosing if vector.dosing else None
        if dosing and vector.default_alpha is None and not dosing.known(vector, vector.default_layer, "add"):
            return None
        return vector.intervention().alpha

    def named(self, owner: str, name: str) -> DomainVector:
        """A vector of the model in memory. Raises NotFound."""
        return self.get(owner, self._model_name, name).vector

    def put(self, owner: str, model: str, domain: str, data: bytes) -> tuple[Named, bool]:
        """Keep an owner's vector; the flag says whether it is new. Raises NotFound, Conflict, Invalid."""
        path = self._path(owner, domain)
        if model != self._model_name or path is None:
            raise NotFound(f"vectors are kept for {self._model_name} only, under names of letters and digits")
        if domain in self._here:
            raise Conflict(f"{domain} is one of this server's own domains: choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.is_file()
        if new:
            self.refuse_more(owner)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            staged = Path(folder) / "vector.safetensors"
            staged.write_bytes(data)
            vector = self._read(staged, domain)
            staged.replace(path)
        return Named("uploaded", vector), new

    def refuse_more(self, owner: str) -> None:
        """Raise Conflict where an owner keeps as many vectors as may be."""
        if len(list(self._folder(owner).glob("*.safetensors"))) >= MOST_UPLOADS:
            raise Conflict(f"a key may keep {MOST_UPLOADS} vectors: delete some")

    def delete(self, owner: str, model: str, domain: str) -> None:
        """Delete an owner's vector. Raises NotFound, and Conflict for one of the server's own."""
        if self._servers(owner, model, domain) is not None:
            raise Conflict(f"{domain} is one of this server's own vectors: only uploads can be deleted")
        self._uploaded(owner, model, domain).unlink(missing_ok=True)

    def steering(self, owner: str, asked: Sequence[InterventionRequest | str]) -> Steering:
        """What a request asks for, as a steering that fits the model. Raises Invalid, NotFound."""
        try:
            found = tuple(each for one in asked for each in self._interventions(owner, one))
            validate(found, self._lm.n_layers, self._lm.d_model)
        except SteeringMismatch as error:
            raise Invalid(f"steering: {error}") from None
        largest, limit = max((abs(each.alpha) for each in found), default=0.0), self._settings.steering_norm
        if largest > limit:
            raise Invalid(f"steering.alpha is {largest:g}: at most {limit:g}")
        if len(found) > MOST_INTERVENTIONS:
            raise Invalid(f"steering: {len(found)} interventions, at most {MOST_INTERVENTIONS} are taken")
        return found

    def probe(self, owner: str, asked: ProbeRequest) -> Probe:
        """What a request wants read, for this model. Raises Invalid, NotFound."""
        try:
            if asked.vector is not None:
                found = Probe(torch.tensor(asked.vector, dtype=torch.float32), asked.layer)
            else:
                found = probe_of(NamedProbe(asked.domain or "", asked.layer), _Names(self, owner))
            found.validate(self._lm.n_layers, self._lm.d_model)
        except SteeringMismatch as error:
            raise Invalid(f"probes: {error}") from None
        return found

    def _interventions(self, owner: str, one: InterventionRequest | str) -> Steering:
        if isinstance(one, str):
            return resolved(terms_of(one), _Names(self, owner))
        term = one.term()
        if one.vector is None:
            return resolved([term], _Names(self, owner))
        tensor = torch.tensor(one.vector, dtype=torch.float32)
        steering = []
        for span in term.layers:
            for layer, weight in span.weights():
                alpha = term.strength.value * weight
                steering.append(Intervention(tensor, layer, alpha, term.operation, term.positions))
        when = None if term.when is None else condition_for(term.when, _Names(self, owner))
        return tuple(replace(each, when=when) for each in steering)

    def _servers(self, owner: str, model: str, name: str) -> Named | None:
        """A vector of the server's, unless the owner has one of that name."""
        if model != self._model_name:
            return None
        path, library = self._path(owner, name), self._library
        if name in self._here or library is None or path is None or path.is_file():
            return self._here.get(name)
        try:
            return Named("library", library.get(self._lm, name)) if library.domains.kept(name) else None
        except VectorFileError:  # the log has it, from the list
            return None

    def _read(self, path: Path, domain: str) -> DomainVector:
        try:
            if path.stat().st_size > BODY_BYTES:
                raise VectorFileError(f"the file is larger than {BODY_BYTES} bytes")
            vector = library.load(path, self._lm)
        except VectorFileError as error:
            raise Invalid(str(error).replace(path.name, "the vector")) from None
        largest = max(float(vector.norms().max()), abs(vector.default_alpha or 0.0))
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


@dataclass(frozen=True)
class _Names:
    """Where an owner's names lead."""

    vectors: Vectors
    owner: str

    def vector(self, name: str, /) -> DomainVector:
        """One of the server's, or an upload."""
        return self.vectors.named(self.owner, name)

    def edit(self, name: str, /) -> tuple[Tensor, int | None]:
        """Nothing: an edit of low rank comes from a file, and a server keeps none."""
        raise SteeringMismatch(f"low_rank({name}): this server keeps no edits of low rank, only vectors")
