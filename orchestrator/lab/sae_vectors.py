"""Vectors made of an autoencoder's features, beside random features: what `lab sae features` does."""

import hashlib
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from orchestrator.errors import ConfigError
from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.provenance import Analysis, Provenance, determinants, heldout_pairs, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.domains.domain_vector import DomainVector
from vectors.errors import SaeError
from vectors.lab.figures.charts import conditions_figure
from vectors.lab.sae.folders import WEIGHTS, frequencies_of, layer_of, read
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.portraits import read_domains
from vectors.lab.sae.targeted import (
    CHOICES,
    STRATEGIES,
    best,
    by_difference,
    by_output,
    cosine,
    directed,
    put_together,
    random_features,
)
from vectors.measuring.journal import Journal
from vectors.measuring.likelihood import text_margins
from vectors.statistics.estimates import Estimate, paired
from vectors.statistics.tests import outlier_p

_RANDOM = 8


class FeatureSettings(Record):
    """Which autoencoder and domain, how many features, and how strongly they steer when compared."""

    autoencoder: str
    domain: str
    layer: int
    top: int
    mode: str
    share: float
    seed: int


class FeatureVector(Record):
    """A vector, its file, and its features, best first; `effect` is how much likelier it makes the domain's
    held-out texts against neutral ones, in nats per token, and p that of being one of the random features.
    """

    name: str
    file: str
    features: tuple[int, ...]
    cosine: float
    effect: Estimate | None
    p: float | None


class FeaturesResult(Analysis):
    """The vectors, the domain's own among them for comparison, and the random features' mean effect."""

    settings: FeatureSettings
    vectors: tuple[FeatureVector, ...]
    contrastive: Estimate | None
    random: tuple[float, ...]

    @property
    def heading(self) -> str:
        """Domain, autoencoder and model."""
        of = f"{self.settings.domain} of {self.settings.autoencoder}"
        return f"{of} on {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """A row a vector."""
        header = ["vector", "features", "cosine", "text, nats/token", "p, random features"]
        rows = [
            [
                each.name,
                " ".join(map(str, each.features[:5])) + (" …" if len(each.features) > 5 else ""),
                f"{each.cosine:+.2f}",
                shown(each.effect, "+.3f") if each.effect else "no texts",
                "—" if each.p is None else f"{each.p:.2g}",
            ]
            for each in self.vectors
        ]
        if self.contrastive:
            rows.append([self.settings.domain, "all", "+1.00", shown(self.contrastive, "+.3f"), "—"])
            mean = f"{fmean(self.random):+.3f}"
            rows.append([f"{len(self.random)} random features", "one each", "", mean, "—"])
        n = evidence(self.contrastive.n) if self.contrastive else "no held-out texts to compare them on"
        text = f"{self.settings.mode} at {self.settings.share:.0%} of the residual's spread; {n}"
        return Section(self.heading, text, [Table(header, rows)])

    def figure(self) -> Figure:
        """Effects."""
        made = [(each.name.partition("-")[2], each.effect) for each in self.vectors if each.effect]
        if self.contrastive:
            made.append(("contrastive", self.contrastive))
        groups = [name.replace("-", "\n") for name, _ in made] or ["no texts"]
        series = {"steered": [effect for _, effect in made] or [Estimate(0, 0, 0, 1)]}
        return conditions_figure(
            groups, series, "domain − neutral text,\nnats per token", self.heading, "pairs"
        )


def make_vectors(
    session: Session,
    folder: Path,
    domain: str,
    *,
    top: int = 20,
    mode: str = "add",
    share: float = 0.2,
    prompts: Sequence[str] = (),
    seed: int = 0,
    journal: Journal | None = None,
) -> FeaturesResult:
    """Make six vectors of a domain from an autoencoder, keep them in the library, and compare them.

    They are compared where the domain has held-out texts, on as many pairs as there are `prompts`, at `share`
    of the residual's spread. Raises SaeError, PromptSetError, ConfigError where no feature is chosen, and
    what keeps a model from being opened.
    """
    lm = session.model
    layer = layer_of(folder, lm.digest, lm.n_layers, lm.d_model)
    sae = read(folder)
    if not isinstance(sae, Linear):
        raise SaeError(f"{folder}: only architectures with a linear encoder have such features")
    prompt_set = session.vectors.domains.load(domain).prompts
    own = vector_of(session, domain)
    settings = FeatureSettings(
        autoencoder=folder.name, domain=domain, layer=layer, top=top, mode=mode, share=share, seed=seed
    )
    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    provenance = Provenance.of(session, [own])
    journal = journal or Journal()
    pairs = heldout_pairs(session, domain)[: len(prompts)]
    said = determinants(session, "sae-features", provenance, settings, autoencoder_sha256=weights)
    journal.begin(said, len(pairs))
    often = frequencies_of(folder)
    usable = sae.w_dec.norm(dim=1) > 0 if often is None else often > 0
    (reading,) = read_domains(lm, [prompt_set], layer, session.progress)
    scored = {"difference": by_difference(reading, sae), "output": by_output(lm, prompt_set, sae)}
    chosen = {choice: best(scores, usable, top) for choice, scores in scored.items()}
    if empty := [choice for choice, found in chosen.items() if not found.features]:
        raise ConfigError(
            f"no feature of {folder} has a score above zero by {empty[0]}: use another autoencoder"
        )
    made: list[tuple[DomainVector, tuple[int, ...]]] = []
    for choice, strategy in product(CHOICES, STRATEGIES):
        features = chosen[choice].features[: 1 if strategy == "single" else None]
        facts = {"method": f"sae features, {strategy} by {choice}", "sae": folder.name, "sae_sha256": weights}
        facts |= {"features": json.dumps(features), "source_domain": domain}
        direction = put_together(strategy, chosen[choice], sae.w_dec)
        made.append((directed(own, f"{domain}-{strategy}-{choice}", direction, layer, facts), features))
    files = [session.vectors.save(vector, lm) for vector, _ in made]
    others = random_features(sae.w_dec, usable, own.directions[layer], _RANDOM, seed)
    compared = [own, *(vector for vector, _ in made)]
    compared += [directed(own, f"random-{number}", other, layer, {}) for number, other in enumerate(others)]
    steerings = [(each.intervention(layer, each.at_share(layer, share, mode), mode),) for each in compared]
    effects: list[Estimate] = []
    if len(pairs) > 1:
        asked_ids = [lm.chat_ids([{"role": "user", "content": each}]) for each in prompts[: len(pairs)]]
        found = text_margins(
            session.engine, lm, pairs, asked_ids, [(), *steerings], journal, session.progress
        )
        effects = [paired(steered, found[0]) for steered in found[1:]]
    random = tuple(each.value for each in effects[1 + len(made) :])
    return FeaturesResult(
        provenance=provenance,
        settings=settings,
        vectors=tuple(
            FeatureVector(
                name=vector.domain,
                file=str(files[number]),
                features=features,
                cosine=cosine(vector.directions[layer], own.directions[layer]),
                effect=effects[1 + number] if effects else None,
                p=outlier_p(effects[1 + number].value, random) if effects else None,
            )
            for number, (vector, features) in enumerate(made)
        ),
        contrastive=effects[0] if effects else None,
        random=random,
    )
