"""Domains' vectors made and looked up: what `vectors extract` and `vectors list` do."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.lab.provenance import VectorSummary
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.domains.activations import Token
from vectors.domains.extraction import Method, extract
from vectors.domains.library import VectorLibrary
from vectors.domains.prompt_sets import domain_names, load_prompt_set


class VectorFile(VectorSummary):
    """A vector and the file that it is kept in."""

    file: str


class Kept(Record):
    """A file of a library: the domain and the model whose vector it holds."""

    domain: str
    model: str
    file: str


def extract_vectors(
    session: Session,
    domains: Sequence[str] = (),
    *,
    method: Method = "mean_difference",
    token: Token = "last",  # noqa: S107 - a position in the text, no secret
) -> list[VectorFile]:
    """Extract the vectors of domains, else of all, and keep each in the session's library as it is made.

    Raises PromptSetError for an unknown domain before anything is loaded, and what keeps a model from being
    opened.
    """
    sets = [load_prompt_set(domain) for domain in domains or domain_names()]
    rows = []
    for prompt_set in sets:
        vector = extract(session.model, prompt_set, method=method, token=token, progress=session.progress)
        path = session.vectors.save(vector, session.model)
        rows.append(VectorFile(**dict(VectorSummary.of(vector)), file=str(path)))
    return rows


def kept_vectors(folder: Path) -> list[Kept]:
    """What a library's folder holds, of every model."""
    return [
        Kept(domain=entry.domain, model=entry.model_id, file=str(entry.path))
        for entry in VectorLibrary(folder).list()
    ]
