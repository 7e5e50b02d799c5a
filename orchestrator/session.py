"""What tasks are worked on with, opened once and shared by all of them: model, engine, vectors, repositories.

The model is opened last and only when needed, so that a wrong instance or a missing repository is told before
anything large is loaded.
"""

import logging
import platform
import sys
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pydantic import JsonValue

from orchestrator import plugins
from orchestrator.policy.decisions import DOMAINS
from orchestrator.policy.evidence import certificates, evidence
from orchestrator.policy.policy import Policy
from orchestrator.policy.variants import CERTIFIED, plugin, policy_for
from orchestrator.run_config import RunConfig
from orchestrator.settings import Settings
from retrieval.gitio import Git
from retrieval.store import Repository, RepoStore
from swebench.data.bundles import ensure_repositories
from swebench.grading.suites import LocalTestBed
from vectors.plugins import origin
from vectors.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.search import Retriever
    from swebench.catalogue import Kind
    from vectors.calibration.certificates import Certificate
    from vectors.domains.domain_vector import DomainVector
    from vectors.domains.library import VectorLibrary
    from vectors.engine.budget import LengthHead
    from vectors.engine.engine import Engine
    from vectors.measuring.dosing import Dosing
    from vectors.models.loading import LanguageModel

_log = logging.getLogger(__name__)
_KEPT_INDEXES = 4
"""Commits whose index is kept for the other variants of the same instance; that of a large repository takes
hundreds of megabytes."""
_SWITCH_S = 0.0005
"""How long a thread may keep the interpreter from the engine's thread and from a server's loop, which give it
up at every product and every system call; Python's default is ten times that."""
_LIBRARIES = (
    *("torch", "transformers", "tokenizers", "jinja2", "llguidance"),
    *("langgraph", "llvmlite", "numba", "numpy", "scipy", "pyflakes"),
)
"""Those of which another version may give another result."""
_FOR_EXAMPLES = ("rank-bm25",)
"""Chooses worked examples; beside those it is a benchmark's peer, which decides nothing."""


def libraries(config: RunConfig) -> dict[str, JsonValue]:
    """The versions of what determines a run's results; of Python what its grammar is known by."""
    names = _LIBRARIES + (_FOR_EXAMPLES if config.few_shot else ())
    found: dict[str, JsonValue] = {"python": ".".join(platform.python_version_tuple()[:2])}
    return found | {name: version(name) for name in names}


def machine_facts() -> dict[str, JsonValue]:
    """What a manifest records beside the determinants."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
    }


class Session:
    """Use as a context manager: leaving it stops the engine's thread. `niceness` is the engine's."""

    def __init__(self, settings: Settings, *, progress: Progress, niceness: int = 0) -> None:
        self.settings = settings
        self.niceness = niceness
        self.progress = progress
        self._retrievers: OrderedDict[tuple[Path, str, str], Retriever] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: Future[LanguageModel] | None = None
        self._opening: Future[Engine] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opening is not None and self._opening.exception() is None:
            self._opening.result().close()
        if "engine" in self.__dict__:
            self.engine.close()

    def open_ahead(self) -> None:
        """Begin to load the model and to open its engine, so that something else can be imported meanwhile.

        Whoever needs them first waits for them, and is told what went wrong. torch is imported
        at once: beside another import it would wait for the interpreter, which loading weights needs little.
        """
        import torch  # noqa: F401

        pool = ThreadPoolExecutor(1, thread_name_prefix="opening")
        self._loading = loading = pool.submit(self._load_model)
        self._opening = pool.submit(lambda: self._open_engine(loading.result()))
        pool.shutdown(wait=False)

    @cached_property
    def model(self) -> "LanguageModel":
        """The loaded model; raises ModelUnavailable, and UnsupportedModel for one that no engine runs."""
        return self._load_model() if self._loading is None else self._loading.result()

    def _load_model(self) -> "LanguageModel":
        import torch

        from vectors.engine.forward import check, record_of
        from vectors.engine.memory import trim
        from vectors.models.loading import load_model
        from vectors.threads import compute_with, in_own_thread

        compute_with(self.settings.threads)
        started = time.perf_counter()
        name, cache = self.settings.model, self.settings.cache
        dtype = None if self.settings.dtype == "auto" else getattr(torch, self.settings.dtype)
        model = load_model(name, cache=cache, dtype=dtype, progress=self.progress)
        trim()  # what a large vocabulary leaves when it is read
        if model.dtype != torch.int8:  # which is tried when bytes are made of it
            in_own_thread(check, model.model, record_of(cache, model.digest, model.dtype))
        seconds = time.perf_counter() - started
        _log.info("loaded %s (%s, %s) in %.2f s", name, model.digest[:12], model.dtype, seconds)
        return model

    @cached_property
    def engine(self) -> "Engine":
        """The one engine, and so the one thread, that owns the model."""
        return self._open_engine(self.model) if self._opening is None else self._opening.result()

    def _open_engine(self, model: "LanguageModel") -> "Engine":
        import torch

        from vectors.engine.engine import Engine
        from vectors.engine.forward import packed_of, record_of

        started = time.perf_counter()
        sys.setswitchinterval(_SWITCH_S)
        cache = self.settings.cache
        engine = Engine(
            model.model,
            model.tokenizer,
            max_rows=32,
            niceness=self.niceness,
            record=record_of(cache, model.digest, model.dtype),
            eight_bits=model.dtype == torch.int8,
            packed=packed_of(cache, model.digest),
        )
        _log.info("opened the engine in %.2f s", time.perf_counter() - started)
        return engine

    @cached_property
    def vectors(self) -> "VectorLibrary":
        """The vector library: the user's folder if one was named, else the cache. Strengths that nobody says
        are its vectors' doses.
        """
        from vectors.domains.library import VectorLibrary

        return VectorLibrary(self.settings.library, self._dose)

    @cached_property
    def dosing(self) -> "Dosing":
        """Finds the strength of vectors on the engine, which is opened where one has to be measured."""
        from vectors.measuring.dosing import Dosing

        return Dosing(self.model, lambda: self.engine, self.progress)

    @cached_property
    def length_head(self) -> "LengthHead":
        """What foresees how long the model's answers are. Raises VectorFileError where `lab budget` has made
        none.
        """
        from vectors.measuring.lengths import head_path, load

        return load(head_path(self.settings.cache, self.model), self.model)

    def _dose(self, vector: "DomainVector", layer: int, operation: str) -> float | None:
        return self.dosing(vector, layer, operation)

    @cached_property
    def certificates(self) -> "list[Certificate]":
        """The certificates of the nodes' vectors; raises CertificateError for a malformed file."""
        return certificates(self.vectors, self.model, self.progress)

    @cached_property
    def store(self) -> RepoStore:
        """Where repositories are looked for: those of bundled tasks are made from the package, and those with
        faults that rows put in by `orchestrator.task.planted`.
        """
        mirrors = [self.settings.repos] if self.settings.repos else []
        bundled = ensure_repositories(self.settings.cache, Git)
        planted = self.settings.cache / "planted"
        return RepoStore([*mirrors, bundled, planted], self.settings.cache / "repos", progress=self.progress)

    @cached_property
    def test_bed(self) -> LocalTestBed:
        """What runs the tests of rows without a test command, in environments kept in the cache."""
        return LocalTestBed(self.settings.cache)

    @cached_property
    def edit_kinds(self) -> "Sequence[Kind]":
        """What proposes edits. Raises PluginError."""
        return plugins.edit_kinds()

    def open_engine(self) -> None:
        """Open the engine now, and before it the nodes' vectors: once opened, the model is the engine's."""
        for domain in DOMAINS:
            self.vectors.get(self.model, domain, progress=self.progress)
        _ = self.engine

    def reopen_engine(self) -> None:
        """Have a new engine on a model loaded anew: for when a fault has closed the engine."""
        self.let_go()
        self.open_engine()

    def let_go(self) -> None:
        """Hold the model no longer, nor what holds it; whoever asks for it next has it loaded anew."""
        for name in ("engine", "model", "dosing", "length_head"):
            self.__dict__.pop(name, None)
        self._loading = self._opening = None

    def retriever(self, repository: Repository) -> "Retriever":
        """A retriever whose index is cached by blob. Raises PluginError."""
        from retrieval.search import Retriever

        return Retriever(repository, self.settings.cache / "index", plugins.signals())

    def shared_retriever(self, repository: Repository, commit: str) -> "Retriever":
        """One retriever for all tasks on a commit, so that variants of an instance share its index."""
        key = (repository.git.directory, repository.folder, commit)
        with self._lock:
            found = self._retrievers.pop(key, None) or self.retriever(repository)
            self._retrievers[key] = found
            if len(self._retrievers) > _KEPT_INDEXES:
                self._retrievers.popitem(last=False)
        return found

    def determinants(self, config: RunConfig, dataset: str, dataset_fingerprint: str) -> dict[str, JsonValue]:
        """Everything that determines the results of a run, for its manifest."""
        model = self.model
        decided: dict[str, JsonValue] = {}
        added: dict[str, JsonValue] = {**plugins.taking_part(dataset)}
        if entry := plugin(config.variant):
            added[f"{entry.group}: {entry.name}"] = origin(entry)
        if added:
            decided["plugins"] = added
        if config.variant == CERTIFIED:
            from vectors.calibration.certificates import digest

            decided["certificates"] = digest(self.certificates)
        if model.chat.date:
            decided["template_date"] = model.chat.date
        return {
            **decided,
            **config.model_dump(mode="json"),
            "dataset": dataset,
            "dataset_sha256": dataset_fingerprint,
            "model": model.model_id,
            "model_revision": model.revision,
            "model_digest": model.digest,
            "dtype": str(model.dtype).removeprefix("torch."),
            "vectors": {domain: self.vectors.fingerprint(model, domain) for domain in DOMAINS},
            "version": version("steered-orchestrator"),
            "libraries": libraries(config),
        }

    def policy(self, config: RunConfig) -> Policy:
        """What decides in a run when to steer. Raises PluginError, CertificateError."""
        return policy_for(config.variant, lambda: evidence(self.certificates))
