"""Features of Neuronpedia against keywords and against a vector: what `lab neuronpedia` does."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import JsonValue, TypeAdapter

from orchestrator.lab.cells import shown
from orchestrator.lab.neuronpedia_client import Neuronpedia, UnknownFeature, check_name
from orchestrator.lab.neuronpedia_rows import Feature, check_export, export_digests, read_export
from orchestrator.lab.provenance import Result
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from vectors.domains.domain_vector import DomainVector
from vectors.errors import UnfitAnalysis
from vectors.lab.figures.features import features_figure
from vectors.lab.sae.decoders import Near, nearest
from vectors.measuring.journal import Journal
from vectors.progress import Progress, silent
from vectors.statistics.estimates import CLAIM_N, Estimate, rate

_FEATURES = TypeAdapter(list[Feature])
_SHOWN = 20
_STRENGTH = 300.0
"""The strongest that Neuronpedia takes as a vector's default."""


@dataclass(frozen=True)
class Sampled:
    """Features of sources of a model at Neuronpedia: `count` of each, `stride` indices apart from 0 on."""

    model: str
    sources: tuple[str, ...]
    count: int
    stride: int


class NeuronpediaSettings(Record):
    """What was looked for, and where."""

    keywords: tuple[str, ...]
    read_from: str
    vector: str | None
    vector_sha256: str | None
    layer: int | None
    seed: int


class Match(Record):
    """A feature with a keyword: in an explanation, or among the tokens that it promotes."""

    feature: str
    keyword: str
    said: str


class Neighbour(Record):
    """A feature whose decoder direction is near the vector; p: see `vectors.lab.sae.decoders.Near`."""

    feature: str
    cosine: float
    p: float
    said: str


class NeuronpediaResult(Result):
    """The share of features with a keyword, by source; those features; and those nearest to the vector."""

    settings: NeuronpediaSettings
    density: dict[str, Estimate]
    matches: tuple[Match, ...]
    searched: tuple[Match, ...]
    neighbours: tuple[Neighbour, ...]
    decoders: int
    published: dict[str, JsonValue] | None

    @property
    def heading(self) -> str:
        """What was looked for."""
        return f"Features of {', '.join(self.settings.keywords)} in {self.settings.read_from}"

    def section(self) -> Section:
        """Density by source, the features themselves, the vector's neighbours."""
        smallest = min(each.n for each in self.density.values())
        text = "A keyword counts as a whole word of an explanation, or as a token that the feature promotes."
        if smallest < CLAIM_N:
            text += f" n < {CLAIM_N}: no claim."
        rows = [
            [source, f"{round(each.value * each.n)} of {each.n}", shown(each, ".2%")]
            for source, each in self.density.items()
        ]
        tables = [
            Table(["source", "with a keyword", "share (Wilson, 95 %)"], rows, caption="sampled features")
        ]
        for caption, found in (
            ("features with a keyword", self.matches),
            ("found by search: chosen for it, so no share of anything", self.searched),
        ):
            listed = [[each.feature, each.keyword, each.said] for each in found[:_SHOWN]]
            tables.append(Table(["feature", "keyword", ""], listed, figures=False, caption=caption))
        near = [[each.feature, f"{each.cosine:+.3f}", f"{each.p:.3f}", each.said] for each in self.neighbours]
        caption = f"nearest to {self.settings.vector}, of {self.decoders} decoder directions"
        tables.append(Table(["feature", "cosine", "p", ""], near, caption=caption))
        return Section(self.heading, text, [each for each in tables if each.rows])

    def figure(self) -> Figure:
        """Density with intervals, and the neighbours' cosines."""
        near = [(each.feature, each.cosine) for each in self.neighbours]
        return features_figure(self.density, near, self.heading)


def map_features(
    client: Neuronpedia,
    of: Sampled | Path,
    keywords: Sequence[str],
    *,
    vector: DomainVector | None = None,
    layer: int | None = None,
    top: int = 10,
    search: bool = False,
    publish: str | None = None,
    seed: int = 0,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> NeuronpediaResult:
    """Look at features of an export's folder, or sampled ones at Neuronpedia, which are kept as they come.

    With `vector`, whose `layer` is its default one, the features that have a direction of its width are
    compared with it. `search` asks Neuronpedia for explanations near each keyword too. `publish` is the model
    there under which the vector is made public at `layer`, once for an experiment. Raises SaeError,
    NeuronpediaError, UnfitAnalysis.
    """
    if not keywords or not all(len(each) >= 3 for each in keywords):
        raise UnfitAnalysis("keywords have three letters at least: name one with --keyword")
    at = vector.intervention(layer, 1.0).layer if vector else None
    settings = NeuronpediaSettings(
        keywords=tuple(keywords),
        read_from=str(of) if isinstance(of, Path) else f"{of.model} {', '.join(of.sources)}",
        vector=vector.domain if vector else None,
        vector_sha256=vector.sha256 if vector else None,
        layer=at,
        seed=seed,
    )
    facts: dict[str, JsonValue] = {"experiment": "neuronpedia", "settings": settings.model_dump(mode="json")}
    journal = journal or Journal()
    if isinstance(of, Path):
        check_export(of)
        facts |= {"batches": export_digests(of)}
        journal.begin(facts, 0)
        features: Iterable[Feature] = read_export(of)
        searched: list[Match] = []
    else:
        facts |= {"count": of.count, "stride": of.stride, "search": search}
        journal.begin(facts, len(of.sources) + (len(keywords) if search else 0))
        features, searched = _sampled(client, of, keywords if search else (), journal, progress)
    words = {each: re.compile(rf"(?<!\w){re.escape(each)}(?!\w)", re.IGNORECASE) for each in keywords}
    counts: dict[str, list[int]] = {}
    matches, directed, directions = [], list[Feature](), list[tuple[float, ...]]()
    for feature in features:
        hit = _match(feature, words)
        counts.setdefault(feature.layer, []).append(hit is not None)
        if hit:
            matches.append(hit)
        if vector and len(feature.vector) == vector.directions.shape[1]:
            directed.append(feature)
            directions.append(feature.vector)
    if not counts:
        raise UnfitAnalysis(f"no feature was read of {settings.read_from}: name other sources or indices")
    if vector and not directed:
        raise UnfitAnalysis(
            f"no feature has a direction of {vector.directions.shape[1]} numbers, as {vector.domain} has: "
            "name a source that is of the vector's model"
        )
    near = nearest(vector.directions[at], directions, top, seed) if vector and at is not None else []
    return NeuronpediaResult(
        settings=settings,
        density={source: rate(sum(hits), len(hits)) for source, hits in counts.items()},
        matches=tuple(matches),
        searched=tuple(searched),
        neighbours=tuple(_neighbour(directed[each.number], each) for each in near),
        decoders=len(directions),
        published=_published(client, vector, at, publish, journal) if publish and vector else None,
    )


def _sampled(
    client: Neuronpedia, of: Sampled, queries: Sequence[str], journal: Journal, progress: Progress
) -> tuple[list[Feature], list[Match]]:
    def source(name: str) -> object:
        found = []
        for number in range(of.count):
            progress(f"asking for {name}", number, of.count)
            try:
                found.append(client.feature(of.model, name, number * of.stride))
            except UnknownFeature:
                if not found:
                    raise
                break  # the source's last index lies before
        progress(f"asking for {name}", of.count, of.count)
        return _FEATURES.dump_python(found, mode="json", by_alias=True)

    def search(query: str) -> object:
        found = client.search(of.model, of.sources, query)
        return [Match(feature=each.name, keyword=query, said=_said(each)).model_dump() for each in found]

    for name in (of.model, *of.sources):
        check_name(name)
    features = [journal.once(partial(source, name)) for name in of.sources]
    searched = [journal.once(partial(search, query)) for query in queries]
    return (
        [feature for unit in features for feature in _FEATURES.validate_python(unit)],
        [match for unit in searched for match in TypeAdapter(list[Match]).validate_python(unit)],
    )


def _published(
    client: Neuronpedia, vector: DomainVector, layer: int | None, model: str, journal: Journal
) -> dict[str, JsonValue]:
    """Publish as a unit of the journal, so that going on with an experiment does not publish again."""
    steering = vector.intervention(layer)
    unit = steering.vector / steering.vector.norm()
    journal.begin(["publish", model, vector.sha256, steering.layer], 1)

    def make() -> dict[str, JsonValue]:
        strength = max(-_STRENGTH, min(_STRENGTH, steering.alpha))
        return client.publish(model, steering.layer, unit.tolist(), vector.domain, strength)

    return journal.once(make)


def _match(feature: Feature, words: dict[str, re.Pattern[str]]) -> Match | None:
    promoted = {token.strip().lower() for token in feature.pos_str}
    for keyword, pattern in words.items():
        for each in feature.explanations:
            if pattern.search(each.description):
                return Match(feature=feature.name, keyword=keyword, said=each.description)
        if keyword.lower() in promoted:
            return Match(feature=feature.name, keyword=keyword, said=f"promotes {keyword}")
    return None


def _neighbour(feature: Feature, near: Near) -> Neighbour:
    return Neighbour(feature=feature.name, cosine=round(near.cosine, 6), p=near.p, said=_said(feature))


def _said(feature: Feature) -> str:
    if feature.explanations:
        return feature.explanations[0].description[:200]
    return " ".join(feature.pos_str[:5])
