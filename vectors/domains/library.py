"""Domain vectors as files: one safetensors file per model and domain, extracted on first use.

Those of the embedded model in bfloat16 come with the package, in `ready/`, with the strengths that were
measured for them, and are copied: to make them takes longer than most answers.

A file holds `layer.<i>` [d_model] float32 for every block (0-based, the block's output) and string metadata.
In the library a file's name holds a hash of everything that determines its content, so a stale one is never
served. Nothing but safetensors is read.
"""

import builtins
import hashlib
import json
import logging
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from vectors.domains import defaults
from vectors.domains.domain_vector import DomainVector, Dosing
from vectors.domains.extraction import extract
from vectors.domains.own_domains import Domains
from vectors.domains.prompt_sets import TOKENS
from vectors.errors import VectorFileError
from vectors.files import write_atomic
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent

FORMAT = "2"
READY = Path(__file__).parent / "ready"
_HEADER_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One file of a library."""

    domain: str
    model_id: str
    path: Path


class VectorLibrary:
    """A folder of vector files. Safe under concurrent processes and threads.

    `dosing` is what its vectors find their strength by, where there is an engine to measure it on.
    """

    def __init__(self, folder: Path, dosing: Dosing | None = None) -> None:
        self._folder, self._dosing = folder, dosing
        self.domains = Domains(folder)

    def get(self, lm: LanguageModel, domain: str, progress: Progress = silent) -> DomainVector:
        """Return a domain's vector for a model: from its file, or on first use copied or extracted.

        A damaged file is replaced, with a warning. The name of an imported vector gives that one. Raises
        PromptSetError for an unknown domain, VectorFileError where several vectors of a name were imported.
        """
        if self.domains.kept(domain):
            found = self._imported(lm, domain)
        else:
            found = self._extracted(lm, domain, progress)
        return replace(found, dosing=self._dosing)

    def _extracted(self, lm: LanguageModel, domain: str, progress: Progress) -> DomainVector:
        known = self.domains.load(domain)
        path = self.path(lm, domain)
        # First without a lock, which a read-only folder cannot hold.
        if (kept := _kept(path, lm, domain)) is not None:
            return kept
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if (kept := _kept(path, lm, domain)) is not None:
                return kept
            if (ready := _kept(READY / path.name, lm, domain)) is not None:
                _copy(path)
                return replace(ready, file=path)
            vector = extract(lm, known.prompts, method=known.method, token=known.token, progress=progress)
            save(vector, path)
        return replace(vector, file=path)

    def _imported(self, lm: LanguageModel, name: str) -> DomainVector:
        folder = _file_name(lm.model_id, name, "").parent.name
        files = [path for path in self.domains.kept(name) if path.parent.name == folder]
        if len(files) != 1:
            there = ", ".join(map(str, files or self.domains.kept(name)))
            raise VectorFileError(
                f"{len(files)} vectors called {name} are kept for {lm.model_id}; name one by its "
                f"file ({there}), or import one for this model"
            )
        return load(files[0], lm)

    def kept(self, lm: LanguageModel) -> builtins.list[DomainVector]:
        """What is kept for a model beside its domains' vectors, by name: vectors that were imported, or made
        of an autoencoder's features. What `get` would refuse is left out with a warning.
        """
        folder = (self._folder / _file_name(lm.model_id, "", "")).parent
        names = {path.stem[:-17] for path in folder.glob(f"*-{'[0-9a-f]' * 16}.safetensors")}
        found = []
        for name in sorted(filter(self.domains.kept, names)):
            try:
                found.append(self.get(lm, name))
            except VectorFileError as error:
                _log.warning("%s", error)
        return found

    def path(self, lm: LanguageModel, domain: str) -> Path:
        """Where the domain's default vector for a model lies, or will lie."""
        return self._folder / _file_name(lm.model_id, domain, self.fingerprint(lm, domain))

    def fingerprint(self, lm: LanguageModel, domain: str) -> str:
        """sha256 of everything that determines a domain's default vector; known without extracting it."""
        known = self.domains.load(domain)
        return _key(lm, domain, known.prompts.digest, known.method, TOKENS[known.token])

    def save(self, vector: DomainVector, lm: LanguageModel) -> Path:
        """Write a vector of a model into the library and return its path."""
        facts = vector.metadata
        key = _key(lm, vector.domain, facts["prompt_set_sha256"], facts["method"], facts["token"])
        path = self._folder / _file_name(lm.model_id, vector.domain, key)
        save(vector, path)
        return path

    def load(self, path: Path, lm: LanguageModel) -> DomainVector:
        """Load a vector file from anywhere. Raises VectorFileError if it is not one of this model's."""
        return replace(load(path, lm), dosing=self._dosing)

    def list(self) -> builtins.list[Entry]:
        """The vectors in the folder, of every model; files that are none are left out with a warning."""
        entries = []
        for path in sorted(self._folder.rglob("*.safetensors")):
            try:
                metadata, _ = _read(path, tensors=False)
                entries.append(Entry(metadata["domain"], metadata["model_id"], path))
            except VectorFileError as error:
                _log.warning("%s", error)
        return entries


def _kept(path: Path, lm: LanguageModel, domain: str) -> DomainVector | None:
    """The vector of a file; None where there is none, or with a warning where it is damaged."""
    if not path.exists():
        return None
    try:
        return load(path, lm)
    except VectorFileError as error:
        _log.warning("extracting %s again: %s", domain, error)
        return None


def _copy(path: Path) -> None:
    """Copy a ready vector, after what is kept beside it."""
    for found in sorted(READY.glob(f"{path.name}*"), reverse=True):
        write_atomic(path.with_name(found.name), found.read_bytes())


def save(vector: DomainVector, path: Path) -> None:
    """Write a vector file; it appears at `path` only when complete."""
    from safetensors.torch import save as to_bytes

    metadata = {
        **vector.metadata,
        "format_version": FORMAT,
        "domain": vector.domain,
        "residual_norms": json.dumps(vector.residual_norms.tolist()),
        "spreads": json.dumps(vector.spreads.tolist()),
        "default_layer": str(vector.default_layer),
    }
    metadata.pop("default_alpha", None)
    if vector.default_alpha is not None:
        metadata["default_alpha"] = repr(vector.default_alpha)
    tensors = {f"layer.{i}": row.contiguous() for i, row in enumerate(vector.directions)}
    write_atomic(path, to_bytes(tensors, metadata=metadata))


def load(path: Path, lm: LanguageModel) -> DomainVector:
    """Read a vector file and check it: form, shape, finite values, and that it is this model's.

    Raises VectorFileError, naming both models where it is another's.
    """
    limit = _HEADER_BYTES + 4 * lm.n_layers * lm.d_model
    metadata, tensors = _read(path, limit=limit)
    if metadata["model_digest"] != lm.digest:
        raise VectorFileError(
            f"{path.name} is a vector of {metadata['model_id']} ({metadata['model_digest'][:12]}), the model "
            f"is {lm.model_id} ({lm.digest[:12]}); use a vector that was extracted from this model"
        )
    names = [f"layer.{i}" for i in range(lm.n_layers)]
    if set(tensors) != set(names):
        raise VectorFileError(f"{path.name} does not hold layer.0 to {names[-1]} and nothing else")
    for name in names:
        if tensors[name].shape != (lm.d_model,) or tensors[name].dtype != torch.float32:
            raise VectorFileError(
                f"{path.name}: {name} is {tensors[name].dtype} {list(tensors[name].shape)}, "
                f"expected float32 [{lm.d_model}]"
            )
    try:
        norms, spreads = (
            torch.tensor(json.loads(metadata[name]), dtype=torch.float32)
            for name in ("residual_norms", "spreads")
        )
        layer, said = int(metadata["default_layer"]), metadata.get("default_alpha")
        alpha = None if said is None else float(said)
    except (ValueError, TypeError) as error:
        raise VectorFileError(f"{path.name} has unreadable norms or defaults: {error}") from error
    directions = torch.stack([tensors[name] for name in names])
    finite = torch.isfinite(directions).all() and (alpha is None or math.isfinite(alpha))
    positive = all(each.shape == (lm.n_layers,) and (each > 0).all() for each in (norms, spreads))
    if not finite or not positive or not 0 <= layer < lm.n_layers:
        raise VectorFileError(
            f"{path.name} holds values that are not finite or out of range; extract it anew"
        )
    return DomainVector(metadata["domain"], directions, norms, spreads, layer, alpha, metadata, path)


def _read(
    path: Path, *, tensors: bool = True, limit: int | None = None
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read a file's metadata and, if asked, its tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        if limit is not None and path.stat().st_size > limit:
            raise VectorFileError(f"{path.name} is larger than a vector file of this model can be")
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VectorFileError(f"{path.name} cannot be read as safetensors: {error}") from error
    wanted = ["domain", "model_id", "model_digest", "residual_norms", "spreads", "default_layer"]
    lacking = [name for name in wanted if name not in metadata]
    if metadata.get("format_version") != FORMAT or lacking:
        raise VectorFileError(
            f"{path.name} is not a vector file of format {FORMAT}: "
            f"format {metadata.get('format_version')}, lacking {', '.join(lacking) or 'nothing'}; "
            "make it anew"
        )
    return metadata, found


def _key(lm: LanguageModel, domain: str, prompt_set_digest: str, method: str, token: str) -> str:
    parts = [FORMAT, lm.digest, str(lm.dtype), lm.tokenizer_digest, lm.chat.thinking, domain]
    parts += [prompt_set_digest, method, token, str(defaults.layer_for(domain, lm.n_layers))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _file_name(model_id: str, domain: str, key: str) -> Path:
    """A user's prompt set or folder may be named anything, so only safe characters are kept."""
    model, name = (re.sub(r"[^\w.-]+", "--", text).strip(".") or "unnamed" for text in (model_id, domain))
    return Path(model) / f"{name}-{key[:16]}.safetensors"
