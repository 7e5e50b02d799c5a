"""Vectors made of an autoencoder's features, with certificates of their own: what `lab sae features` does."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, heldout_pairs, vector_of
from orchestrator.lab.sae_certifying import MODES, Certifying, Measurements
from orchestrator.lab.sae_choosing import Made, choose, controls, weights_sha256
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.calibration.certificates import Certificate, store
from vectors.lab.figures.charts import conditions_figure
from vectors.lab.sae.folders import layer_of
from vectors.lab.sae.targeted import cosine
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import Estimate

_RANDOM = 16
_PUBLISHED = "published"


class FeatureSettings(Record):
    """Which autoencoder and domain, how many features, how strongly they steer, and on how many texts."""

    autoencoder: str
    domain: str
    layer: int
    top: int
    share: float
    n: int
    seed: int


class Effect(Record):
    """What a vector does in a mode, in nats a token: effect, how much likelier it makes the domain's held-out
    texts than neutral ones; harm, how much less likely the neutral ones. random_p: of being one of the random
    features; p: of no effect, after Holm over all vectors and modes; both None for the domain's own vector.
    """

    mode: str
    alpha: float
    effect: Estimate
    harm: Estimate
    random_p: float | None
    p: float | None
    certified: bool | None
    reason: str


class FeatureVector(Record):
    """A vector, its file in the library, its features, best first, and what it does in each mode."""

    name: str
    file: str
    features: tuple[int, ...]
    cosine: float
    effects: tuple[Effect, ...]


class Contrast(Record):
    """By how much some vectors harm neutral texts less than others, in nats a token, paired by text."""

    vectors: str
    than: str
    mode: str
    less: Estimate


class FeaturesResult(Analysis):
    """The vectors, what the domain's own does, the random features' mean effect by mode, and contrasts."""

    settings: FeatureSettings
    made: tuple[FeatureVector, ...]
    contrastive: tuple[Effect, ...]
    random: dict[str, float]
    contrasts: tuple[Contrast, ...]

    @property
    def heading(self) -> str:
        """Domain, autoencoder and model."""
        of = f"{self.settings.domain} of {self.settings.autoencoder}"
        return f"{of} on {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """The vectors; what each does in each mode; which harm less."""
        made = [
            [
                each.name,
                " ".join(map(str, each.features[:5])) + (" …" if len(each.features) > 5 else ""),
                f"{each.cosine:+.2f}",
            ]
            for each in self.made
        ]
        rows = [(each.name, effect) for each in self.made for effect in each.effects]
        rows += [(self.settings.domain, effect) for effect in self.contrastive]
        measured = [
            [name, e.mode, shown(e.effect, "+.3f"), shown(e.harm, "+.3f"), _p(e.random_p), _p(e.p), e.reason]
            for name, e in rows
        ]
        header = ["vector", "mode", "text, nats/token", "harm", "p, random", "p, Holm", "certificate"]
        less = [[f"{c.vectors} − {c.than}", c.mode, shown(c.less, "+.3f")] for c in self.contrasts]
        tables = [
            Table(["vector", "features", "cosine"], made, figures=False),
            Table(header, measured, figures=False),
            Table(["harms less by", "mode", "nats/token"], less, caption="neutral texts, paired"),
        ]
        share = f"{self.settings.share:.0%} of the residual's spread"
        if not rows:
            return Section(self.heading, f"{share}; no held-out texts to measure them on", tables[:1])
        random = ", ".join(f"{mode} {value:+.3f}" for mode, value in self.random.items())
        n = evidence(self.contrastive[0].effect.n)
        text = f"{share}; {_RANDOM} random features of the same norm: {random} on average. {n}"
        return Section(self.heading, text, tables)

    def figure(self) -> Figure:
        """Effects and harms in the additive mode; multiplied they are an order of magnitude apart."""
        own = [(each.name.partition("-")[2], each.effects) for each in self.made]
        those = [(name, effects) for name, effects in (*own, ("contrastive", self.contrastive)) if effects]
        groups = [name.replace("-", "\n") for name, _ in those] or ["no texts"]
        series = {
            what: [getattr(effects[MODES.index("add")], field) for _, effects in those]
            or [Estimate(0, 0, 0, 1)]
            for what, field in (("domain − neutral text", "effect"), ("neutral text lost", "harm"))
        }
        return conditions_figure(groups, series, "added vectors, nats per token", self.heading, "texts")

    def findings(self) -> tuple[Finding, ...]:
        """Whether vectors of features harm less, and those chosen by an output score less than others.

        In the additive mode, of the mean over vectors; by both output scores.
        """
        added = [each for each in self.contrasts if each.mode == "add"]
        return tuple(
            finding(
                "features_harm_less" if each.than == self.settings.domain else "output_score_harms_less",
                each.less,
                f"likelihood of neutral texts, {each.vectors} − {each.than}, {self.settings.domain} at "
                f"{self.settings.share:.0%} of the spread, nats a token",
                beyond=0,
                above=True,
            )
            for each in added
        )


def make_vectors(
    session: Session,
    folder: Path,
    domain: str,
    *,
    top: int = 20,
    share: float = 0.2,
    n: int = 240,
    seed: int = 0,
    journal: Journal | None = None,
) -> FeaturesResult:
    """Make nine vectors of a domain from an autoencoder, and keep them in the library with certificates.

    They are measured where the domain has held-out texts, on at most `n` of those for certification, added
    and multiplied at `share` of the residual's spread. Raises SaeError, PromptSetError, ConfigError where no
    feature is chosen, and what keeps a model from being opened.
    """
    lm = session.model
    layer = layer_of(folder, lm.digest, lm.n_layers, lm.d_model)
    own = vector_of(session, domain)
    settings = FeatureSettings(
        autoencoder=folder.name, domain=domain, layer=layer, top=top, share=share, n=n, seed=seed
    )
    provenance, journal = Provenance.of(session, [own]), journal or Journal()
    sha256 = weights_sha256(folder)
    journal.begin(determinants(session, "sae-features", provenance, settings, autoencoder_sha256=sha256))
    made = choose(session, folder, own, layer, top, journal)
    files = [session.vectors.save(each.vector, lm) for each in made]
    effects: dict[str, tuple[Effect, ...]] = {}
    random: dict[str, float] = {}
    contrasts: tuple[Contrast, ...] = ()
    if heldout_pairs(session, domain):
        certifying = Certifying(session, domain, layer, share, n, seed, journal)
        others = controls(folder, own, layer, _RANDOM, seed)
        of = certifying.measure([own, *(each.vector for each in made)], others)
        given = certifying.certify(made, others, of)
        for each, file in zip(made, files, strict=True):
            store(file, [given[each.vector.domain, mode] for mode in MODES])
        for name in (domain, *(each.vector.domain for each in made)):
            effects[name] = tuple(_effect(name, mode, of, given.get((name, mode))) for mode in MODES)
        random = {
            mode: fmean(fmean(of.by_vector[each.domain, mode].gains) for each in others) for mode in MODES
        }
        contrasts = tuple(each for mode in MODES for each in _contrasts(domain, made, of, mode))
    return FeaturesResult(
        provenance=provenance,
        settings=settings,
        made=tuple(
            FeatureVector(
                name=each.vector.domain,
                file=str(file),
                features=each.features,
                cosine=cosine(each.vector.directions[layer], own.directions[layer]),
                effects=effects.get(each.vector.domain, ()),
            )
            for each, file in zip(made, files, strict=True)
        ),
        contrastive=effects.get(domain, ()),
        random=random,
        contrasts=contrasts,
    )


def _effect(name: str, mode: str, of: Measurements, given: Certificate | None) -> Effect:
    return Effect(
        mode=mode,
        alpha=of.by_vector[name, mode].steering.alpha,
        effect=of.effect(name, mode),
        harm=of.harm(name, mode),
        random_p=given.controls[0].p if given else None,
        p=given.p_adjusted if given else None,
        certified=given.certified if given else None,
        reason=given.reason if given else "",
    )


def _contrasts(domain: str, made: Sequence[Made], of: Measurements, mode: str) -> list[Contrast]:
    """All vectors of features against the domain's own, and each output score against the difference."""
    by_choice: dict[str, list[str]] = {}
    for each in made:
        by_choice.setdefault(each.choice, []).append(each.vector.domain)
    everyone = [each.vector.domain for each in made]
    found = [
        Contrast(vectors="of features", than=domain, mode=mode, less=of.less_harm(everyone, [domain], mode))
    ]
    for choice, names in by_choice.items():
        if choice != "difference":
            less = of.less_harm(names, by_choice["difference"], mode)
            said = "by output score" + (" as published" if choice == _PUBLISHED else "")
            found.append(Contrast(vectors=said, than="by difference", mode=mode, less=less))
    return found


def _p(value: float | None) -> str:
    return "—" if value is None else f"{value:.2g}"
