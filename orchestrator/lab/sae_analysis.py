"""What autoencoders say of domains' vectors: what `lab sae analyse` does."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.errors import SaeError
from vectors.lab.figures.decompositions import decomposition_figure
from vectors.lab.sae.decomposing import FEW, STEPS, Decomposition, decompose
from vectors.lab.sae.folders import config_of, frequencies_of, layer_of, read
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.portraits import read_domains
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import Estimate

_HALF = 0.5
"""A vector is diffuse where 20 features explain less than this of it."""
_ROBUST = 0.25
"""Diffuseness is robust where it differs by less than this share between sparsest and least sparse."""


class AnalyseSettings(Record):
    """Which autoencoders, by name and weights, and which domains."""

    autoencoders: tuple[str, ...]
    domains: tuple[str, ...]
    as_original: bool
    seed: int


class Analysed(Record):
    """An autoencoder: what its folder says, and what it says of each domain's vector and of all together."""

    name: str
    layer: int
    l0: float | None
    dead: float
    found: Decomposition


class SaeAnalysis(Analysis):
    """The domains' vectors through each autoencoder."""

    settings: AnalyseSettings
    analysed: tuple[Analysed, ...]

    @property
    def heading(self) -> str:
        """Model and dtype."""
        return f"vectors as sums of features, {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """A row a domain and autoencoder."""
        header = [
            "autoencoder",
            "domain",
            *(f"R² of {steps}" for steps in STEPS),
            f"random, {FEW}",
            "take part",
        ]
        header += [
            "random",
            "shared",
            "by chance",
            "p",
            "dense",
            *(["original"] if self.settings.as_original else []),
        ]
        rows = []
        for each in self.analysed:
            for row in each.found.rows:
                cells = [each.name, row.domain]
                cells += [
                    shown(row.few, ".2f") if steps == FEW else f"{row.explained[steps]:.2f}"
                    for steps in STEPS
                ]
                cells += [f"{each.found.random_few:.2f}", shown(row.participation, ".1%")]
                cells += [f"{each.found.random_participation:.1%}", str(row.shared), f"{row.by_chance:.2f}"]
                cells += [f"{row.p:.2g}", str(row.dense)]
                rows.append(cells + ([f"{row.as_original:.1%}"] if self.settings.as_original else []))
        all_rows = self.analysed[0].found.rows
        text = (
            "R²: of sums of so many features with weights above zero (matching pursuit), beside that of "
            "random directions; take part: participation ratio of v·W_enc over all features; shared: of the "
            "vector's 20 features and the domain's; dense: of the vector's 20, active at over a tenth of "
            "tokens.\nIntervals are standard errors over pairs of prompts drawn again; n counts prompts. "
            f"{evidence(*(row.few.n for row in all_rows))}; of all domains {self.analysed[0].found.few.n}"
        )
        return Section(self.heading, text, [Table(header, rows)])

    def figure(self) -> Figure:
        """R² by the number of features, and participation."""
        return decomposition_figure({each.name: each.found for each in self.analysed}, self.heading)

    def findings(self) -> tuple[Finding, ...]:
        """Whether vectors are diffuse, share nothing with their domains, and are so at any sparsity.

        By the autoencoder in the middle of those given, ordered by L0.
        """
        ordered = sorted(self.analysed, key=lambda each: each.l0 or 0)
        middle = ordered[len(ordered) // 2]
        found = [
            finding(
                "vectors_are_diffuse",
                middle.found.few,
                f"variance of vectors that {FEW} features explain, {middle.name}",
                beyond=_HALF,
                above=False,
            ),
            finding(
                "features_do_not_overlap",
                middle.found.shared,
                f"of 20 features shared with the domain, {middle.found.rows[0].by_chance:.2f} by chance, "
                f"{middle.name}",
                beyond=middle.found.rows[0].by_chance,
                above=False,
            ),
        ]
        if len(ordered) > 1:
            sparse, dense = (each.found.participation for each in (ordered[0], ordered[-1]))
            change = abs(dense.value / sparse.value - 1)
            ends = (dense.low / sparse.high - 1, dense.high / sparse.low - 1)
            low = 0.0 if ends[0] * ends[1] <= 0 else min(map(abs, ends))
            estimate = Estimate(change, min(low, change), max(change, *map(abs, ends)), dense.n)
            found.append(
                finding(
                    "robust_to_sparsity",
                    estimate,
                    f"relative change of participation from {ordered[0].name} to {ordered[-1].name}",
                    beyond=_ROBUST,
                    above=False,
                )
            )
        return tuple(found)


def analyse_saes(
    session: Session,
    folders: Sequence[Path],
    *,
    domains: Sequence[str] = (),
    as_original: bool = False,
    seed: int = 0,
    journal: Journal | None = None,
) -> SaeAnalysis:
    """Decompose the vectors of `domains`, of all by default, into features of the autoencoders in `folders`.

    Raises SaeError for a folder that is none of this model's, PromptSetError for an unknown domain, and what
    keeps a model from being opened.
    """
    lm, known = session.model, session.vectors.domains
    prompt_sets = [known.load(name).prompts for name in domains or known.names()]
    layers = {folder: layer_of(folder, lm.digest, lm.n_layers, lm.d_model) for folder in folders}
    saes = {folder: read(folder) for folder in folders}
    settings = AnalyseSettings(
        autoencoders=tuple(folder.name for folder in folders),
        domains=tuple(each.domain for each in prompt_sets),
        as_original=as_original,
        seed=seed,
    )
    journal = journal or Journal()
    digests: list[object] = [config_of(folder) for folder in folders]
    provenance = Provenance.of(session, [])
    said = determinants(session, "sae-analyse", provenance, settings, autoencoders=repr(digests))
    journal.begin(said, len(folders))
    readings = {
        layer: read_domains(lm, prompt_sets, layer, session.progress)
        for layer in dict.fromkeys(layers.values())
    }
    analysed = []
    for number, (folder, sae) in enumerate(saes.items()):
        session.progress("decomposing vectors", number, len(saes))
        if not isinstance(sae, Linear):
            raise SaeError(f"{folder}: only architectures with a linear encoder can be analysed")
        metadata = config_of(folder).get("metadata")
        l0 = metadata.get("l0") if isinstance(metadata, dict) else None

        def made(folder: Path = folder, sae: Linear = sae, l0: object = l0) -> object:
            found = decompose(readings[layers[folder]], sae, frequencies_of(folder), seed)
            return Analysed(
                name=folder.name,
                layer=layers[folder],
                l0=float(l0) if isinstance(l0, int | float) else None,
                dead=found.dead,
                found=found,
            ).model_dump(mode="json")

        analysed.append(Analysed.model_validate(journal.once(made)))
    session.progress("decomposing vectors", len(saes), len(saes))
    return SaeAnalysis(provenance=provenance, settings=settings, analysed=tuple(analysed))
