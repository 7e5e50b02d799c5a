"""Do models place the domains of MMLU-Pro alike: what `lab geometry` does."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from matplotlib.figure import Figure
from pydantic import JsonValue

from orchestrator.lab.cells import shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.folder import RESIDUALS
from orchestrator.lab.provenance import Result
from orchestrator.lab.several_models import ModelSummary, check_models, short, summaries
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Row, Section, Table
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.calibration.certificates import versions
from vectors.domains.prompt_sets import Token
from vectors.lab.figures.geometries import geometry_figure
from vectors.lab.geometry.atlas import Comparison, Geometry, Reading, comparisons, geometries, originals
from vectors.lab.geometry.cosines import layer_at, most_apart
from vectors.lab.geometry.invariance import PERMUTATIONS, RESAMPLES, SPLITS, AsOriginal
from vectors.lab.geometry.statements import statement_sets
from vectors.measuring.journal import Journal, digest_of
from vectors.measuring.kept_tensors import kept_residuals
from vectors.models.loading import LanguageModel
from vectors.models.untrained import untrain
from vectors.progress import Progress, silent

INVARIANT_FROM = 0.888
"""The lowest of the original's correlations."""
_DEPTHS = tuple(tenth / 10 for tenth in range(11))


class GeometrySettings(Record):
    """Where and how statements were read, and the seed of what is drawn."""

    depth: float
    token: Token
    seed: int
    as_original: bool
    permutations: int = PERMUTATIONS
    resamples: int = RESAMPLES
    splits: int = SPLITS


class GeometryResult(Result):
    """The geometries of models, the last of which is untrained, and each pair compared.

    `original` are the original's figures of each pair, where they were asked for.
    """

    models: tuple[ModelSummary, ...]
    settings: GeometrySettings
    domains: tuple[str, ...]
    statements: int
    geometries: tuple[Geometry, ...]
    comparisons: tuple[Comparison, ...]
    original: tuple[AsOriginal, ...]

    @property
    def heading(self) -> str:
        """Which models these are."""
        return ", ".join(f"{short(each.model)} ({each.dtype})" for each in self.models)

    def findings(self) -> tuple[Finding, ...]:
        """Whether each pair of trained models agrees as well as the original's did."""
        return tuple(
            finding(
                "geometry_is_invariant",
                each.agreement.spearman,
                f"Spearman's ρ of the domains' cosines without their common component, {each.one} and "
                f"{each.other}; interval over domains, n counts statements",
                beyond=INVARIANT_FROM,
                above=True,
            )
            for each in self.comparisons
            if each.trained
        )

    def section(self) -> Section:
        """Pairs of models, what noise allows, each model's own geometry, and the same over depth."""
        n, pairs = len(self.domains), len(self.domains) * (len(self.domains) - 1) // 2
        text = (
            f"{n} domains, {self.statements} statements each, and as many neutral ones; {pairs} cosines, "
            "which are not independent: intervals leave out one domain at a time, p permutes domains "
            f"(Mantel). Depth {self.settings.depth:g}, token: {self.settings.token}. Of domains beyond these "
            "nothing is said."
        )
        tables = [
            Table(
                ["", "ρ (95 %, over domains)", "over statements", "p", "Pearson", "with the common: ρ", "p"],
                [
                    [
                        _named(each),
                        shown(each.agreement.spearman),
                        "{:.2f} … {:.2f}".format(*each.agreement.by_statements),
                        f"{each.agreement.p:.4f}",
                        f"{each.agreement.pearson:.2f}",
                        f"{each.agreement.with_common:.2f}",
                        f"{each.agreement.with_common_p:.4f}",
                    ]
                    for each in self.comparisons
                ],
                caption="Spearman's ρ of cosines without their common component",
            ),
            Table(
                [
                    "",
                    "the first to itself",
                    "the second",
                    "to one another",
                    "… without noise",
                    "ceiling of ρ",
                ],
                [
                    [_named(each), *(f"{value:.2f}" for value in asdict(each.agreement.ceiling).values())]
                    for each in self.comparisons
                ],
                caption=f"ρ between halves of the statements, mean of {self.settings.splits} splits",
            ),
            Table(
                ["", "Kendall's τ of mean cosines", "p"],
                [
                    [_named(each), f"{each.agreement.tau:+.2f}", f"{each.agreement.tau_p:.3f}"]
                    for each in self.comparisons
                ],
                caption="which domains are like the others, with the common component",
            ),
            Table(
                ["", "layer", "cosine with the common, mean", "most apart", "disparity from the first"],
                [self._own(each) for each in self.geometries],
                caption="each model",
            ),
            Table(
                ["depth", *map(_named, self.comparisons)],
                [[f"{depth:.0%}", *(_at(each, depth) for each in self.comparisons)] for depth in _DEPTHS],
                caption="the same over depth: ρ, and CKA of the statements",
            ),
        ]
        if self.original:
            rows = [
                [_named(each), f"{one.spearman:.3f}", f"{one.p:.1g}", f"{one.pearson:.3f}"]
                for each, one in zip(self.comparisons, self.original, strict=True)
            ]
            caption = "as the original: last token, mid-depth, nothing removed, p as if independent"
            tables.append(Table(["", "ρ", "its p", "Pearson"], rows, caption=caption))
        return Section(f"{self.heading}: geometry of {n} domains", text, tables)

    def figure(self) -> Figure:
        """Cosines, domains in a plane, cosines against one another, noise, layers against layers."""
        note = f"{len(self.domains)} domains, {self.statements} statements each"
        return geometry_figure(self.domains, self.geometries, self.comparisons, f"{self.heading}\n{note}")

    def _own(self, of: Geometry) -> Row:
        import numpy as np

        n = len(self.domains)
        mean = (np.array(of.with_common).sum() - n) / (n * (n - 1))
        apart = ", ".join(self.domains[place] for place in most_apart(np.array(of.cosines)))
        return [of.model, f"{of.layer} of {of.layers}", f"{mean:.2f}", apart, f"{of.disparity:.2f}"]


def measure_geometry(
    settings: Settings,
    names: Sequence[str],
    *,
    depth: float = 0.5,
    token: Token = "mean",  # noqa: S107 - a position in the text, no secret
    seed: int = 0,
    as_original: bool = False,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> GeometryResult:
    """Compare models' domain vectors at a relative depth; the first is read once more with random weights.

    Models are loaded one after another. A unit is a model's residuals of one domain's statements. Raises
    UnfitAnalysis for fewer than two models, and what keeps one from being loaded.
    """
    check_models(names)
    sets = statement_sets()
    texts = [(each.domain, each.positive) for each in sets] + [("neutral", sets[0].negative)]
    models = summaries(settings, names, progress)
    said = GeometrySettings(depth=depth, token=token, seed=seed, as_original=as_original)
    tokens: list[Token] = [token, "last"] if as_original and token == "mean" else [token]  # noqa: S105
    facts: dict[str, JsonValue] = {
        "experiment": "geometry",
        "models": [each.model_dump(mode="json") for each in models],
        "settings": said.model_dump(mode="json"),
        "statements_sha256": digest_of(texts),
        "versions": cast("dict[str, JsonValue]", versions()),
    }
    journal = journal or Journal()
    journal.begin(facts, len(texts) * len(tokens) * (len(names) + 1))

    def read(lm: LanguageModel, at: Token, *, trained: bool) -> Reading:
        residuals = kept_residuals(lm, texts, at, journal, f"{RESIDUALS}/", progress)
        return Reading.of(short(lm.model_id), residuals, trained=trained)

    readings: dict[Token, list[Reading]] = {at: [] for at in tokens}
    nulls: dict[Token, Reading] = {}
    for index, name in enumerate(names):
        with Session(settings.model_copy(update={"model": name}), progress=progress) as session:
            for at in tokens:
                readings[at].append(read(session.model, at, trained=True))
            if index == 0:
                drawn = untrain(session.model, seed)
                nulls = {at: read(drawn, at, trained=False) for at in tokens}
    for at in tokens:
        readings[at].append(nulls[at])
    return GeometryResult(
        models=models,
        settings=said,
        domains=tuple(each.domain for each in sets),
        statements=len(sets[0].positive),
        geometries=tuple(geometries(readings[token], len(sets), depth)),
        comparisons=tuple(comparisons(readings[token], len(sets), depth, seed)),
        original=tuple(originals(readings["last"], len(sets))) if as_original else (),
    )


def _named(of: Comparison) -> str:
    return f"{of.one} / {of.other}"


def _at(of: Comparison, depth: float) -> str:
    one, other = layer_at(depth, len(of.cka)), layer_at(depth, len(of.cka[0]))
    return f"{of.by_layer[one][other]:.2f}, {of.cka[one][other]:.2f}"
