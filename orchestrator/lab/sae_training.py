"""Sparse autoencoders trained from one collection of residuals: what `lab sae train` does."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import TypeAdapter

from orchestrator.errors import ConfigError
from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.documents import Documents
from orchestrator.lab.folder import SAES, ExperimentFolder
from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.curves import training_figure
from vectors.lab.sae.collecting import Plan, collect, place
from vectors.lab.sae.learner import Recipe
from vectors.lab.sae.training import Trained, train


class Grid(Record):
    """Every combination is trained: `widths` are multiples of d_model; `ks` hold for every architecture but
    `standard`, for which `l1s` do.
    """

    architectures: tuple[str, ...] = ("topk",)
    widths: tuple[int, ...] = (8,)
    ks: tuple[int, ...] = (32,)
    l1s: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    batch: int = 4096
    learning_rate: float = 3e-4
    epochs: int = 1

    def recipes(self, d_model: int) -> list[Recipe]:
        """One for each combination. Raises ConfigError for more active features than there are."""
        if max(self.ks) > min(self.widths) * d_model:
            raise ConfigError(
                f"k = {max(self.ks)} of {min(self.widths) * d_model} features: take fewer, or a larger width"
            )
        return [
            Recipe(
                architecture,
                width * d_model,
                sparsity,
                seed,
                batch_tokens=self.batch,
                learning_rate=self.learning_rate,
                epochs=self.epochs,
            )
            for architecture, width, seed in product(self.architectures, self.widths, self.seeds)
            for sparsity in (self.l1s if architecture == "standard" else self.ks)
        ]


class TrainSettings(Record):
    """What was collected, and what was trained from it."""

    corpus: tuple[str, ...]
    layer: int
    tokens: int
    context: int
    grid: Grid


class TrainResult(Analysis):
    """The autoencoders, and where they lie: below `saes/` of the run's folder, by their names.

    `tokens`: that were run; `left_out`: of these, first ones of a context and such as attention rests on.
    """

    settings: TrainSettings
    corpus_sha256: str
    tokens: int
    left_out: int
    trained: tuple[Trained, ...]

    @property
    def heading(self) -> str:
        """Block, model and dtype."""
        model = f"{self.provenance.model} ({self.provenance.dtype})"
        return f"autoencoders of block {self.settings.layer} of {model}"

    def section(self) -> Section:
        """A row an autoencoder."""
        header = ["autoencoder", "steps", "L0", "explained", "silent", "dense", "dead in training"]
        rows = [
            [
                each.name,
                str(each.steps),
                shown(each.quality.l0, ".1f"),
                shown(each.quality.explained, ".1%"),
                f"{each.quality.silent:.1%}",
                f"{each.quality.dense:.1%}",
                f"{each.dead:.1%}",
            ]
            for each in self.trained
        ]
        held_out = self.trained[0].quality
        text = (
            f"L0, explained variance, silent and dense features: on {held_out.tokens:,} residuals that were "
            f"held out; n counts their contexts. {evidence(held_out.l0.n)}\n"
            f"{self.tokens:,} tokens were run, {self.left_out / self.tokens:.1%} left out"
        )
        return Section(self.heading, text, [Table(header, rows)])

    def figure(self) -> Figure:
        """Curves by step."""
        return training_figure(self.trained, self.heading)


def train_saes(
    session: Session,
    corpus: Sequence[str],
    folder: ExperimentFolder,
    *,
    layer: int | None = None,
    tokens: int = 2_000_000,
    context: int = 512,
    grid: Grid | None = None,
) -> TrainResult:
    """Collect the residuals of a corpus after `layer`, by default in the middle, and train from them.

    The collection is kept in the cache for others of the same kind. Raises TextSetError and InvalidRow for a
    corpus that cannot be read, UnfitAnalysis for one that is too small, SteeringMismatch for a layer that
    does not exist, ConfigError, and what keeps a model from being opened.
    """
    grid = grid or Grid()
    lm, cache = session.model, session.settings.cache
    recipes = grid.recipes(lm.d_model)
    texts = Documents(corpus, cache, session.progress)
    plan = Plan(texts.sha256, lm.n_layers // 2 if layer is None else layer, tokens, context)
    settings = TrainSettings(
        corpus=tuple(Path(name).name if Path(name).exists() else name for name in corpus),
        layer=plan.layer,
        tokens=tokens,
        context=context,
        grid=grid,
    )
    provenance = Provenance.of(session, [])
    said = determinants(session, "sae-train", provenance, settings, corpus_sha256=texts.sha256)
    folder.begin(said, len(recipes))
    assert folder.folder is not None
    saes = folder.folder / SAES
    collection = collect(lm, texts, plan, place(lm, plan, cache), session.progress)

    def made(recipe: Recipe) -> Trained:
        def new() -> object:
            return asdict(train(lm, collection, recipe, saes / recipe.name, session.progress))

        return TypeAdapter(Trained).validate_python(folder.once(new))

    return TrainResult(
        provenance=provenance,
        settings=settings,
        corpus_sha256=texts.sha256,
        tokens=sum(collection.rows) + collection.left_out,
        left_out=collection.left_out,
        trained=tuple(map(made, recipes)),
    )
