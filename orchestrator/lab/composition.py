"""Several domains at once, against each alone: what `lab compose` does."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, heldout_pairs, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.charts import composition_figure
from vectors.lab.steering.composition import MODES, Condition, Mode, compare, composed, units, weights_of
from vectors.measuring.journal import Journal, digest_of


class CompositionSettings(Record):
    """The ways to compose, the weights of mode weighted, and the tokens of an answer for each domain."""

    modes: tuple[Mode, ...]
    weights: tuple[float, ...]
    tokens: int
    prompts: tuple[str, ...]


class CompositionResult(Analysis):
    """What came of each way to steer the same prompts: not at all, by one vector, by several."""

    settings: CompositionSettings
    conditions: tuple[Condition, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Whether a domain's words become fewer where another domain's vector is added."""
        return tuple(
            finding(
                "addition_dilutes",
                each.against_alone,
                "distinct keywords of the domains in an answer: vectors added − each domain's alone",
                beyond=0,
                above=False,
            )
            for each in self.conditions
            if each.name == "add" and each.hits
        )

    def section(self) -> Section:
        """A row a condition, by domain."""
        domains = [vector.domain for vector in self.provenance.vectors]
        header = [
            "steered by",
            *(f"{domain}: {what}" for domain in domains for what in ("hits", "− single", "text, nats/token")),
            "all hits − unsteered",
            "degenerate",
        ]
        notes = [
            *(f"{each.name}: {' then '.join(each.steering)}" for each in self.conditions[1:]),
            evidence(self.conditions[0].total.n),
        ]
        rows = [_row(each, domains) for each in self.conditions]
        return Section(self.heading, "\n".join(notes), [Table(header, rows)])

    def figure(self) -> Figure:
        """Bars by condition."""
        return composition_figure(self.conditions, self.heading)


def compose_domains(
    session: Session,
    names: Sequence[str],
    prompts: Sequence[str],
    *,
    modes: Sequence[Mode] = MODES,
    weights: Sequence[float] = (),
    tokens: int = 16,
    journal: Journal | None = None,
) -> CompositionResult:
    """Compare ways to steer with several domains, or vectors in files, with each of the vectors alone.

    Each of at least two prompts is answered with `tokens` for each domain; what is measured is kept in
    `journal`. Raises UnfitAnalysis, PromptSetError, VectorFileError, and what keeps a model from opening.
    """
    known = session.vectors.domains
    vectors = [vector_of(session, name) for name in names]
    both = [(vector.domain, name) for vector, name in zip(vectors, names, strict=True)]
    pairs = {domain: found for domain, name in both if (found := heldout_pairs(session, name))}
    keywords = {
        domain: words
        for domain, name in both
        if name in known.names() and (words := known.load(name).prompts.keywords)
    }
    for mode in modes:
        composed(vectors, weights_of(mode, vectors, weights))  # what is wrong is told before anything is run
    settings = CompositionSettings(
        modes=tuple(modes), weights=tuple(weights), tokens=tokens, prompts=tuple(prompts)
    )
    provenance = Provenance.of(session, vectors)
    journal = journal or Journal()
    texts = [(domain, [(pair.text, pair.neutral) for pair in own]) for domain, own in pairs.items()]
    journal.begin(
        determinants(session, "compose", provenance, settings, texts_sha256=digest_of(texts)),
        units(len(prompts), len(vectors), modes, pairs),
    )
    conditions = compare(
        session.engine,
        session.model,
        vectors,
        modes,
        prompts,
        pairs,
        keywords,
        weights=weights,
        tokens=tokens,
        journal=journal,
        progress=session.progress,
    )
    return CompositionResult(provenance=provenance, settings=settings, conditions=tuple(conditions))


def _row(condition: Condition, domains: Sequence[str]) -> list[str]:
    row = [condition.name]
    for domain in domains:
        text = condition.text_nats.get(domain)
        row += [
            *(
                [shown(condition.hits[domain]), shown(condition.against_single[domain], "+.2f")]
                if domain in condition.hits
                else ["no keywords"] * 2
            ),
            shown(text, "+.2f") if text else "no texts",
        ]
    return [*row, shown(condition.against_unsteered, "+.2f"), shown(condition.degenerate, ".0%")]
