"""What autoencoders are, what their features promote and what activates them: what `lab sae show` does."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.errors import ConfigError
from orchestrator.lab.excerpts import Excerpt
from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.lab.sae_sources import collection_of, known, linear
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.lenses import lens_figure
from vectors.lab.sae.contexts import Context, strongest_contexts
from vectors.lab.sae.folders import config_of, frequencies_of, layer_of
from vectors.lab.sae.quality import DENSE
from vectors.lab.sae.scores import input_score, output_scores, own_tokens
from vectors.lab.steering.lens import Lens, logit_lens
from vectors.measuring.journal import Journal
from vectors.models.loading import LanguageModel
from vectors.statistics.estimates import Estimate

_TOKENS = 6
_CONTEXTS = 100
"""As many as the input score is published with."""
_PRINTED = 3
"""Contexts of a feature in a table."""


class ShowSettings(Record):
    """Which autoencoders, how many features of each or which, and what is looked through for contexts."""

    autoencoders: tuple[str, ...]
    top: int
    features: tuple[int, ...]
    contexts: int
    tokens: int


class ShownFeature(Record):
    """A feature: at what share of tokens it is active, the tokens that it promotes, and its scores.

    output_score: as it was published, 0 to 1. input_score: share of up to 100 contexts whose most activating
    token is one of the 20 that the feature promotes. contexts: the first of them.
    """

    frequency: float | None
    lens: Lens
    output_score: float
    input_score: Estimate | None
    contexts: tuple[Excerpt, ...]


class Shown(Record):
    """An autoencoder: what its folder says, and its features by number, the most active first.

    l0 and explained are as the folder says, dead and dense the shares of features that are never active, and
    at more than a tenth of the tokens that they were counted on; None where the folder does not say.
    looked_through: tokens of its collection in which contexts were looked for, 0 where it is not kept.
    """

    name: str
    architecture: str
    layer: int
    d_sae: int
    l0: float | None
    explained: float | None
    dead: float | None
    dense: float | None
    looked_through: int
    features: dict[int, ShownFeature]


class ShowResult(Analysis):
    """The autoencoders."""

    settings: ShowSettings
    shown: tuple[Shown, ...]

    @property
    def heading(self) -> str:
        """Model and dtype."""
        return f"autoencoders of {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """A row an autoencoder, and two tables of features for each."""
        header = ["autoencoder", "saved as", "block", "features", "L0", "explained", "dead", "dense"]
        rows = [
            [
                each.name,
                each.architecture,
                str(each.layer),
                str(each.d_sae),
                "—" if each.l0 is None else f"{each.l0:.1f}",
                *(
                    "—" if share is None else f"{share:.1%}"
                    for share in (each.explained, each.dead, each.dense)
                ),
            ]
            for each in self.shown
        ]
        tables = [Table(header, rows)]
        for each in self.shown:
            tables += _tables(each)
        text = (
            "output score: of the feature amplified at the end of a neutral sentence; input score: of its "
            "contexts, those whose most activating token it promotes (Arad et al. 2025). "
        )
        if missing := [each.name for each in self.shown if not each.looked_through]:
            text += (
                f"No contexts of {', '.join(missing)}: the residuals it was trained from are not in the "
                "cache; the command that trained it collects them again"
            )
        return Section(self.heading, text, tables)

    def figure(self) -> Figure:
        """The tokens of the first one's features, coloured by their scores."""
        lenses = {number: each.lens for number, each in self.shown[0].features.items()}
        return lens_figure(lenses, f"features of {self.shown[0].name}")


def show_saes(
    session: Session,
    folders: Sequence[Path],
    *,
    top: int = 10,
    features: Sequence[int] = (),
    contexts: int = 10,
    tokens: int = 262_144,
    journal: Journal | None = None,
) -> ShowResult:
    """Look at the autoencoders in `folders`: at `features` of each, or else at the `top` most active ones.

    Contexts are looked for in the first `tokens` of the residuals that each was trained from, where the cache
    holds them. Raises SaeError, ConfigError for a feature that there is not, and what keeps a model from
    being opened.
    """
    settings = ShowSettings(
        autoencoders=tuple(folder.name for folder in folders),
        top=top,
        features=tuple(features),
        contexts=contexts,
        tokens=tokens,
    )
    provenance = Provenance.of(session, [])
    digests = repr([config_of(folder) for folder in folders])
    said = determinants(session, "sae-show", provenance, settings, autoencoders=digests)
    journal = journal or Journal()
    journal.begin(said)
    shown = tuple(_shown(session, folder, settings, journal) for folder in folders)
    return ShowResult(provenance=provenance, settings=settings, shown=shown)


def _shown(session: Session, folder: Path, settings: ShowSettings, journal: Journal) -> Shown:
    lm, sae, metadata = session.model, linear(folder), known(folder)
    layer = layer_of(folder, lm.digest, lm.n_layers, lm.d_model)
    often = frequencies_of(folder)
    chosen = list(settings.features)
    if wrong := [number for number in chosen if number >= len(sae.w_dec)]:
        raise ConfigError(f"{folder} has no feature {wrong[0]}: expected 0 to {len(sae.w_dec) - 1}")
    if not chosen and often is None:
        chosen = list(range(min(settings.top, len(sae.w_dec))))
    elif not chosen and often is not None:
        best = often.masked_fill(often > DENSE, -1).topk(min(settings.top, len(often)))
        chosen = best.indices.tolist()
    collection = collection_of(lm, folder, session.settings.cache)
    found: list[list[Context]] = [[] for _ in chosen]
    looked_through = 0
    if collection:
        shards = collection.shards_of(settings.tokens)
        most = max(settings.contexts, _CONTEXTS)
        found = strongest_contexts(sae, collection, chosen, most, shards, session.progress)
        looked_through = shards * collection.tokens // len(collection.rows)
    own = own_tokens(lm, sae.w_dec[chosen]).tolist()
    scores = output_scores(session.engine, lm, sae, layer, chosen, journal, session.progress)
    return Shown(
        name=folder.name,
        architecture=str(config_of(folder).get("architecture")),
        layer=layer,
        d_sae=len(sae.w_dec),
        l0=_number(metadata.get("l0")),
        explained=_number(metadata.get("explained_variance")),
        dead=None if often is None else float((often <= 0).float().mean()),
        dense=None if often is None else float((often > DENSE).float().mean()),
        looked_through=looked_through,
        features={
            number: ShownFeature(
                frequency=None if often is None else float(often[number]),
                lens=logit_lens(lm, sae.w_dec[number], _TOKENS),
                output_score=score,
                input_score=input_score(contexts[:_CONTEXTS], tokens),
                contexts=tuple(_excerpt(lm, each) for each in contexts[: settings.contexts]),
            )
            for number, score, tokens, contexts in zip(chosen, scores, own, found, strict=True)
        },
    )


def _excerpt(lm: LanguageModel, context: Context) -> Excerpt:
    return Excerpt(
        tokens=tuple(map(lm.tokenizer.spelled, context.tokens)),
        activations=tuple(round(each, 4) for each in context.activations),
        strongest=context.strongest,
    )


def _tables(of: Shown) -> list[Table]:
    promoted, seen = [], []
    for number, each in of.features.items():
        share = "—" if each.frequency is None else f"{each.frequency:.2%}"
        score = "—" if each.input_score is None else f"{each.input_score.value:.2f}"
        cells = [str(number), share, f"{each.output_score:.2g}", score]
        promoted.append(
            [*cells, "  ".join(map(repr, each.lens.promoted)), "  ".join(map(repr, each.lens.suppressed))]
        )
        for context in each.contexts[:_PRINTED]:
            seen.append([str(number), f"{context.activations[context.strongest]:.2f}", context.line])
    header = ["feature", "active", "output score", "input score", "promotes", "suppresses"]
    tables = [Table(header, promoted, figures=False, caption=of.name)]
    if seen:
        caption = f"{of.name}: where they are most active, of {of.looked_through:,} tokens"
        tables.append(Table(["feature", "activation", "context"], seen, figures=False, caption=caption))
    return tables


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
