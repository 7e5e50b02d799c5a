"""Several domains at once, against each alone: what `lab compose` does."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.lab.provenance import Analysis, Provenance, determinants, heldout_pairs, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.domains.library import save
from vectors.lab.figures.charts import composition_figure
from vectors.lab.steering.composition import MODES, Condition, Mode, compare, composed, units, weights_of
from vectors.measuring.journal import Journal


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
    out: Path | None = None,
    journal: Journal | None = None,
) -> CompositionResult:
    """Compare ways to steer with several domains, or vectors in files, with each of the vectors alone.

    Each of at least two prompts is answered with `tokens` for each domain; what is measured is kept in
    `journal`. The vector of the first mode is written to `out`, a .safetensors file, at the end. Raises
    UnfitAnalysis, PromptSetError, VectorFileError, and what keeps a model from being opened.
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
    made = composed(vectors, weights_of(modes[0], vectors, weights))
    settings = CompositionSettings(
        modes=tuple(modes), weights=tuple(weights), tokens=tokens, prompts=tuple(prompts)
    )
    provenance = Provenance.of(session, vectors)
    journal = journal or Journal()
    texts = [(domain, [(pair.text, pair.neutral) for pair in own]) for domain, own in pairs.items()]
    journal.begin(
        determinants(session, provenance, settings, "compose", texts),
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
    if out:
        save(made, out)
    return CompositionResult(provenance=provenance, settings=settings, conditions=tuple(conditions))
