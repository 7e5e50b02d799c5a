"""Do vectors of one model work in another by a learned linear map: what `lab transfer` does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from matplotlib.figure import Figure
from pydantic import JsonValue

from orchestrator.calibration.calibrating import Asked, calibrated
from orchestrator.lab.cells import shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.folder import RESIDUALS
from orchestrator.lab.pairing import paired_excerpts, read_pairs
from orchestrator.lab.provenance import Result
from orchestrator.lab.several_models import ModelSummary, check_models, short, summaries
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.calibration.certificates import Certificate, versions
from vectors.domains.own_domains import Domains
from vectors.lab.figures.transfers import transfer_figure
from vectors.lab.geometry.cosines import layer_at
from vectors.lab.geometry.paired_texts import WORDS, Excerpt
from vectors.lab.geometry.statements import statement_directions, statement_sets
from vectors.lab.geometry.transferring import Arrival, Pairs, Vector, arrivals, mapped
from vectors.measuring.journal import Journal, digest_of
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate

SHARE = 0.1
"""The strength at which vectors are certified, as a share of the residual's spread."""
CERTIFIED_BY = "ridge"


class TransferSettings(Record):
    """What was read, where vectors are compared, and what is to be certified there."""

    excerpts: int
    depth: float
    seed: int
    certify: tuple[str, ...]


class Passed(Record):
    """What a calibration said of a vector at the target's layer."""

    certified: bool
    effect: Estimate
    alpha: float
    reason: str

    @classmethod
    def of(cls, certificate: Certificate) -> "Passed":
        """The part of a certificate that is compared."""
        return cls(
            certified=certificate.certified,
            effect=certificate.effect,
            alpha=certificate.alpha,
            reason=certificate.reason,
        )


class Trial(Record):
    """The target's own vector of a domain and the transferred one, at the same place on the same texts."""

    domain: str
    native: Passed
    transferred: Passed


class TransferResult(Result):
    """What maps between two models explain, where vectors arrive, and what these then do."""

    models: tuple[ModelSummary, ModelSummary]
    settings: TransferSettings
    pairs: dict[str, int]
    unpaired: int
    layers: tuple[int, int]
    layer_map: tuple[tuple[float, ...], ...]
    pairing: tuple[int, ...]
    domains: tuple[str, ...]
    arrivals: tuple[Arrival, ...]
    trials: tuple[Trial, ...]

    @property
    def heading(self) -> str:
        """From which model to which."""
        source, target = self.models
        return f"{short(source.model)} ({source.dtype}) → {short(target.model)} ({target.dtype})"

    def findings(self) -> tuple[Finding, ...]:
        """Whether transferred vectors do what the model's own are certified for."""
        return tuple(_said(each) for each in self.trials if each.native.certified)

    def section(self) -> Section:
        """A row a method, the pairing of layers, and the certificates."""
        (one, other), n = self.layers, len(self.domains)
        source, target = (short(each.model) for each in self.models)
        pairs = ", ".join(f"{name} {count}" for name, count in self.pairs.items())
        text = (
            f"Layer {one} of {source} to layer {other} of {target}; {self.settings.excerpts} excerpts, "
            f"pairs {pairs}, {self.unpaired} places that one tokenizer cuts through; {n} domains, "
            "intervals of cosines are over these: n < 200, no claim."
        )
        header = ["", "chosen", "R² held out", "cosine", "to other domains", "without the common", "nearest"]
        tables = [
            Table(
                header,
                [
                    [
                        each.method,
                        each.chosen or "—",
                        shown(each.r2) if each.r2 else "—",
                        shown(each.cosine),
                        shown(each.others),
                        shown(each.alone),
                        shown(each.nearest),
                    ]
                    for each in self.arrivals
                ],
                caption="transferred vectors against the target's own",
            ),
            Table(
                ["target's layer", "source's", "R²"],
                [
                    [str(layer), str(from_), f"{self.layer_map[from_][layer]:.2f}"]
                    for layer, from_ in enumerate(self.pairing)
                ],
                caption="layers that go together, by R² of the ridge on validation texts",
            ),
            Table(
                ["", "own vector", "", "transferred", ""],
                [
                    [
                        each.domain,
                        shown(each.native.effect, "+.3f"),
                        each.native.reason,
                        shown(each.transferred.effect, "+.3f"),
                        each.transferred.reason,
                    ]
                    for each in self.trials
                ],
                figures=False,
                caption=f"steered at layer {other} with {SHARE:.0%} of the spread: certificates",
            ),
        ]
        return Section(f"{self.heading}: vectors by a learned map", text, [t for t in tables if t.rows])

    def figure(self) -> Figure:
        """The layer map, R² by method, and cosines."""
        note = f"{self.settings.excerpts} excerpts, {len(self.domains)} domains, 95 % intervals"
        names = short(self.models[0].model), short(self.models[1].model)
        return transfer_figure(self.layer_map, self.layers, self.arrivals, names, f"{self.heading}\n{note}")


def measure_transfer(
    settings: Settings,
    source: str,
    target: str,
    texts: Sequence[Path] = (),
    *,
    n: int = 800,
    depth: float = 0.5,
    certify: Sequence[str] = (),
    seed: int = 0,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> TransferResult:
    """Learn maps on at most `n` excerpts, and compare domains' vectors at a relative depth of the target.

    The domains are those of the library and the 14 of MMLU-Pro. Those in `certify` are calibrated too, each
    model's own vector and the transferred one at one place. Raises UnfitAnalysis, ModelUnavailable,
    TextSetError, PromptSetError.
    """
    check_models((source, target))
    library = Domains(settings.library)
    for name in certify:
        library.heldout(name)
    models = summaries(settings, (source, target), progress)
    read = paired_excerpts(settings, texts, n, seed, progress)
    said = TransferSettings(excerpts=len(read), depth=depth, seed=seed, certify=tuple(certify))
    names = tuple(library.names())
    facts: dict[str, JsonValue] = {
        "experiment": "transfer",
        "models": [each.model_dump(mode="json") for each in models],
        "settings": said.model_dump(mode="json"),
        "texts_sha256": _digest(read),
        "domains": {name: library.load(name).prompts.digest for name in names},
        "statements_sha256": digest_of([each.digest for each in statement_sets()]),
        "versions": cast("dict[str, JsonValue]", versions()),
    }
    journal = journal or Journal()
    journal.begin(facts)

    def vectors(session: Session) -> list[Vector]:
        lm = session.model
        own = [session.vectors.get(lm, name, progress=progress).directions for name in names]
        return own + statement_directions(lm, journal, f"{RESIDUALS}/", progress)

    with read_pairs(settings, (source, target), read, vectors, journal, seed, progress) as (
        session,
        own,
        pairs,
    ):
        native = vectors(session)
        layer = layer_at(depth, session.model.n_layers)
        layers = (pairs.pairing[layer], layer)
        at = [[each[at] for each in of] for of, at in zip((own, native), layers, strict=True)]
        found = arrivals(pairs.source, pairs.target, layers, pairs.parts, (at[0], at[1]), seed)
        trials = [
            _trial(session, name, layers, pairs, own[names.index(name)], seed, journal) for name in certify
        ]
    parts = pairs.parts
    return TransferResult(
        models=(models[0], models[1]),
        settings=said,
        pairs={"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        unpaired=len(read) * WORDS - len(parts.train) - len(parts.validation) - len(parts.test),
        layers=layers,
        layer_map=tuple(tuple(round(float(each), 4) for each in row) for row in pairs.layer_map),
        pairing=tuple(pairs.pairing),
        domains=(*names, *(each.domain for each in statement_sets())),
        arrivals=tuple(found),
        trials=tuple(trials),
    )


def _said(of: Trial) -> Finding:
    """An effect that is not certified, as one that any vector of that size has, confirms nothing."""
    certified = of.transferred.certified
    measures = (
        f"likelihood of {of.domain} text, transferred vector − none, nats a token; "
        f"{'' if certified else 'not '}certified, where the model's own is"
    )
    found = finding("transfer_works", of.transferred.effect, measures, beyond=0, above=True)
    if found.verdict == "confirmed" and not certified:
        return found.model_copy(update={"verdict": "undecided"})
    return found


def _trial(
    session: Session,
    domain: str,
    layers: tuple[int, int],
    pairs: Pairs,
    directions: Vector,
    seed: int,
    journal: Journal,
) -> Trial:
    native = session.vectors.get(session.model, domain, progress=session.progress)
    place = native.directions.clone().zero_()
    place[layers[1]] = mapped(pairs.source, pairs.target, layers, pairs.parts, CERTIFIED_BY, directions)
    said = []
    for vector in (native, replace(native, directions=place, file=None)):
        asked = Asked(
            domain, "zero-shot", "likelihood", [SHARE], layers=[layers[1]], seed=seed, vector=vector
        )
        found = calibrated(session, asked, journal).found
        assert isinstance(found, tuple)
        said.append(Passed.of(found[0]))
    return Trial(domain=domain, native=said[0], transferred=said[1])


def _digest(texts: Sequence[Excerpt]) -> str:
    return digest_of([[each.text, each.ends] for each in texts])
