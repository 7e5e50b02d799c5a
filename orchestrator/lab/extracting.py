"""Domains' vectors made and looked up: what `vectors extract` and `vectors list` do."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.lab.provenance import VectorSummary
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.calibration.certificates import of_model
from vectors.domains.extraction import extract
from vectors.domains.heldout import read_texts
from vectors.domains.library import VectorLibrary
from vectors.domains.own_domains import Domain, check_pairs
from vectors.domains.prompt_sets import Method, Token
from vectors.measuring.journal import Journal


class VectorFile(VectorSummary):
    """A vector and the file that it is kept in; of a domain of one's own, the file of the domain too."""

    file: str
    domain_file: str | None = None


class Kept(Record):
    """A file of a library: the domain and the model whose vector it holds."""

    domain: str
    model: str
    file: str


def extract_vectors(
    session: Session,
    domains: Sequence[str] = (),
    *,
    method: Method | None = None,
    token: Token | None = None,
    journal: Journal | None = None,
) -> list[VectorFile]:
    """Extract the vectors of domains, else of all, and keep each in the session's library as it is made.

    `journal` keeps which are there. Without `method` or `token` a domain's own hold. Raises PromptSetError
    for an unknown domain before anything is loaded, and what keeps a model from being opened.
    """
    known = session.vectors.domains
    asked = [known.load(domain) for domain in domains or known.names()]
    journal = journal or Journal()
    facts = [str(session.settings.library.absolute()), method, token, *of_model(session.model)]
    facts += [[(each.prompts.digest, each.method, each.token) for each in asked]]
    journal.begin(["extract", *facts], len(asked))

    def made(domain: Domain) -> VectorFile:
        unit = journal.once(lambda: _extracted(session, domain, method, token).model_dump(mode="json"))
        vector = VectorFile.model_validate(unit)
        there = Path(vector.file).is_file()
        return vector if there else _extracted(session, domain, method, token)

    return [made(domain) for domain in asked]


def make_domain(
    session: Session,
    pairs: Path,
    *,
    name: str | None = None,
    texts: Path | None = None,
    method: Method | None = None,
    token: Token | None = None,
) -> VectorFile:
    """Make a domain of one's own from a file of pairs, extract its vector, and keep both in the library.

    From then on everything that takes a domain takes it by its name, for every model. `texts` are held-out
    texts to measure it on. A name of the project's own domains can be had in a library of one's own alone,
    where it takes that one's place. Raises PromptSetError and TextSetError before anything is loaded.
    """
    prompts = check_pairs(pairs, name, texts, own_library=session.settings.vectors is not None)
    held_out = tuple(read_texts(texts)) if texts else ()
    domain = Domain(prompts, method or "mean_difference", token or "last", held_out)
    made = _extracted(session, domain)
    file = session.vectors.domains.keep(domain)
    return made.model_copy(update={"domain_file": str(file)})


def _extracted(
    session: Session, domain: Domain, method: Method | None = None, token: Token | None = None
) -> VectorFile:
    vector = extract(
        session.model,
        domain.prompts,
        method=method or domain.method,
        token=token or domain.token,
        progress=session.progress,
    )
    path = session.vectors.save(vector, session.model)
    return VectorFile(**dict(VectorSummary.of(vector)), file=str(path))


def kept_vectors(folder: Path) -> list[Kept]:
    """What a library's folder holds, of every model."""
    return [
        Kept(domain=entry.domain, model=entry.model_id, file=str(entry.path))
        for entry in VectorLibrary(folder).list()
    ]
