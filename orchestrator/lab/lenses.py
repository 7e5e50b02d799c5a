"""Which tokens a vector promotes and suppresses, and how near it is to others: `lab lens`, `vectors show`."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from orchestrator.lab.provenance import Analysis, Provenance, VectorSummary, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.lenses import lens_figure
from vectors.lab.steering.lens import Lens, cosines, logit_lens
from vectors.lab.steering.sweep import default_layers
from vectors.measuring.journal import Journal

_PORTRAIT_TOKENS = 10


class LensSettings(Record):
    """Which layers are read, and how many tokens each way."""

    layers: tuple[int, ...]
    top: int


class LensResult(Analysis):
    """The logit lens of a vector by layer."""

    settings: LensSettings
    layers: dict[int, Lens]

    def section(self) -> Section:
        """A row a layer."""
        rows = [
            [str(layer), _listed(each.promoted, each.promoted_z), _listed(each.suppressed, each.suppressed_z)]
            for layer, each in self.layers.items()
        ]
        title = f"{self.heading}: tokens and their scores, in standard deviations"
        return Section(title, "", [Table(["layer", "promoted", "suppressed"], rows, figures=False)])

    def figure(self) -> Figure:
        """Tokens in cells, coloured by their scores."""
        return lens_figure(self.layers, self.heading)


def read_through_lens(
    session: Session,
    vector_name: str,
    *,
    layers: Sequence[int] = (),
    top: int = 6,
    journal: Journal | None = None,
) -> LensResult:
    """Read a domain's vector, or one in a file, through the unembedding at `layers`, else at eight of them.

    Raises VectorFileError, PromptSetError, SteeringMismatch, and what keeps a model from being opened.
    """
    vector = vector_of(session, vector_name)
    chosen = tuple(layers or default_layers(session.model.n_layers))
    read = {
        layer: logit_lens(session.model, vector.intervention(layer, 1.0).vector, top)
        for layer in sorted(chosen)
    }
    provenance, settings = Provenance.of(session, [vector]), LensSettings(layers=chosen, top=top)
    (journal or Journal()).begin(determinants(session, "lens", provenance, settings), 0)
    return LensResult(provenance=provenance, settings=settings, layers=read)


class Portrait(VectorSummary):
    """A vector in figures: norms by layer, and at `shown_layer` its tokens and cosines to other domains."""

    shown_layer: int
    norms: tuple[float, ...]
    residual_norms: tuple[float, ...]
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    cosine: dict[str, float]


def portrait(session: Session, vector_name: str, layer: int | None = None) -> Portrait:
    """Look at a domain's vector, or one in a file, at a layer, else at its default one.

    Raises VectorFileError, PromptSetError, SteeringMismatch, and what keeps a model from being opened.
    """
    vector = vector_of(session, vector_name)
    at = vector.intervention(layer, 1.0).layer
    names = session.vectors.domains.names()
    others = [vector_of(session, domain) for domain in names if domain != vector.domain]
    lens = logit_lens(session.model, vector.directions[at], _PORTRAIT_TOKENS)
    return Portrait(
        **dict(VectorSummary.of(vector)),
        shown_layer=at,
        norms=tuple(round(float(norm), 4) for norm in vector.norms()),
        residual_norms=tuple(round(float(norm), 4) for norm in vector.residual_norms),
        promoted=lens.promoted,
        suppressed=lens.suppressed,
        cosine=cosines(vector, others, at),
    )


def _listed(tokens: Sequence[str], scores: Sequence[float]) -> str:
    return "  ".join(f"{token!r} {z:+.1f}" for token, z in zip(tokens, scores, strict=True))
