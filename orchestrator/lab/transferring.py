"""A domain's vector of one model made one of another: what `vectors transfer` does."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.lab.pairing import paired_excerpts, read_pairs
from orchestrator.lab.provenance import VectorSummary
from orchestrator.lab.several_models import check_models, short, summaries
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.domain_vector import DomainVector
from vectors.domains.extraction import extract
from vectors.domains.library import VectorLibrary
from vectors.domains.own_domains import Domains
from vectors.domains.prompt_sets import NAME, PromptSetError
from vectors.errors import VectorFileError
from vectors.lab.geometry.transferring import transferred
from vectors.measuring.journal import Journal, digest_of
from vectors.progress import Progress, silent


class Transferred(VectorSummary):
    """The vector in the target, the file it is kept in, and how it was made.

    layers: the source's layer that each of the target's was mapped from. r2: variance of held-out residuals
    that the map explains there, channels of one variance.
    """

    file: str
    source: str
    source_digest: str
    method: str
    layers: tuple[int, ...]
    r2: tuple[float, ...]
    excerpts: int


def _name(domains: Domains, domain: str, source: str, chosen: str | None) -> str:
    name = chosen or f"{domain}-from-{short(source.rstrip('/'))}"
    if not NAME.fullmatch(name) or name in domains.names():
        raise PromptSetError(
            f"{name!r} is no name for a vector, or a domain's: give another of up to 64 letters with --name"
        )
    return name


def _check_free(settings: Settings, name: str, model: str) -> None:
    for entry in VectorLibrary(settings.library).list():
        if (entry.domain, entry.model_id) == (name, model):
            raise VectorFileError(
                f"there is a vector {name} for {model} already, {entry.path}: remove it, or choose --name"
            )


def transfer_vector(
    settings: Settings,
    source: str,
    target: str,
    domain: str,
    *,
    method: str = "ridge",
    name: str | None = None,
    texts: Sequence[Path] = (),
    n: int = 800,
    seed: int = 0,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> Transferred:
    """Map a domain's vector of the source to every layer of the target, and keep it in the target's library.

    A map is learned for each of the target's layers, from the source's that explains it best. Strengths are
    the target's own: norms and spreads are measured on the domain's prompts. `name` is by default
    DOMAIN-from-SOURCE. Raises UnfitAnalysis,
    ModelUnavailable, TextSetError, PromptSetError, VectorFileError.
    """
    check_models((source, target))
    domains = Domains(settings.library)
    known = domains.load(domain)
    called = _name(domains, domain, source, name)
    models = summaries(settings, (source, target), progress)
    _check_free(settings, called, models[1].model)
    read = paired_excerpts(settings, texts, n, seed, progress)
    journal = journal or Journal()
    said = digest_of([[each.text, each.ends] for each in read])
    journal.begin(["transfer", [each.model_dump(mode="json") for each in models], domain, said, seed])

    def own(session: Session) -> DomainVector:
        return session.vectors.get(session.model, domain, progress=progress)

    with read_pairs(settings, (source, target), read, own, journal, seed, progress) as (
        session,
        vector,
        found,
    ):
        directions, r2 = transferred(
            found.source, found.target, found.pairing, found.parts, method, vector.directions
        )
        measured = extract(session.model, known.prompts, progress=progress)
        facts = {
            **measured.metadata,
            "token": vector.metadata["token"],
            "tokens_read": "[]",
            "method": f"{method} from {models[0].model} {models[0].model_digest}, texts {said}",
            "source_vector_sha256": vector.sha256,
            "layers": json.dumps(found.pairing),
            "r2": json.dumps(r2),
        }
        made = replace(measured, domain=called, directions=directions, metadata=facts)
        file = session.vectors.save(made, session.model)
        kept = session.vectors.get(session.model, called)
        return Transferred(
            **dict(VectorSummary.of(kept)),
            file=str(file),
            source=short(models[0].model),
            source_digest=models[0].model_digest,
            method=method,
            layers=tuple(found.pairing),
            r2=tuple(r2),
            excerpts=len(read),
        )
