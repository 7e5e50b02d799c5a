"""What autoencoders are, and what their features promote: what `lab sae show` does."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.errors import SaeError
from vectors.lab.figures.lenses import lens_figure
from vectors.lab.sae.folders import config_of, frequencies_of, layer_of, read
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.quality import DENSE
from vectors.lab.steering.lens import Lens, logit_lens
from vectors.measuring.journal import Journal

_TOKENS = 6


class ShowSettings(Record):
    """Which autoencoders, and how many features of each."""

    autoencoders: tuple[str, ...]
    top: int


class Shown(Record):
    """An autoencoder: what its folder says, and its features by number, the most active first.

    l0 and explained are as the folder says, dead and dense the shares of features that are never active, and
    at more than a tenth of the tokens that they were counted on; None where the folder does not say.
    """

    name: str
    architecture: str
    layer: int
    d_sae: int
    l0: float | None
    explained: float | None
    dead: float | None
    dense: float | None
    features: dict[int, Lens]


class ShowResult(Analysis):
    """The autoencoders."""

    settings: ShowSettings
    shown: tuple[Shown, ...]

    @property
    def heading(self) -> str:
        """Model and dtype."""
        return f"autoencoders of {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """A row an autoencoder, and a table of features for each."""
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
            promoted = [
                [str(number), "  ".join(map(repr, lens.promoted)), "  ".join(map(repr, lens.suppressed))]
                for number, lens in each.features.items()
            ]
            tables.append(
                Table(["feature", "promotes", "suppresses"], promoted, figures=False, caption=each.name)
            )
        return Section(self.heading, "", tables)

    def figure(self) -> Figure:
        """The tokens of the first one's features, coloured by their scores."""
        return lens_figure(self.shown[0].features, f"features of {self.shown[0].name}")


def show_saes(
    session: Session, folders: Sequence[Path], *, top: int = 10, journal: Journal | None = None
) -> ShowResult:
    """Look at the autoencoders in `folders`. Raises SaeError, and what keeps a model from being opened."""
    settings = ShowSettings(autoencoders=tuple(folder.name for folder in folders), top=top)
    provenance = Provenance.of(session, [])
    digests = repr([config_of(folder) for folder in folders])
    said = determinants(session, "sae-show", provenance, settings, autoencoders=digests)
    (journal or Journal()).begin(said, 0)
    shown = tuple(_shown(session, folder, top) for folder in folders)
    return ShowResult(provenance=provenance, settings=settings, shown=shown)


def _shown(session: Session, folder: Path, top: int) -> Shown:
    lm, config, sae = session.model, config_of(folder), read(folder)
    if not isinstance(sae, Linear):
        raise SaeError(f"{folder}: only architectures with a linear decoder can be shown")
    metadata = config.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    often = frequencies_of(folder)
    if often is None:
        best = list(range(min(top, len(sae.w_dec))))
    else:
        best = often.masked_fill(often > DENSE, -1).topk(min(top, len(often))).indices.tolist()
    return Shown(
        name=folder.name,
        architecture=str(config.get("architecture")),
        layer=layer_of(folder, lm.digest, lm.n_layers, lm.d_model),
        d_sae=len(sae.w_dec),
        l0=_number(known.get("l0")),
        explained=_number(known.get("explained_variance")),
        dead=None if often is None else float((often <= 0).float().mean()),
        dense=None if often is None else float((often > DENSE).float().mean()),
        features={number: logit_lens(lm, sae.w_dec[number], _TOKENS) for number in best},
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
