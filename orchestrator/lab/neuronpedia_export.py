"""Autoencoders of our own in Neuronpedia's export format: what `lab sae export` does.

Files, names of fields and the 1,024 features of a batch are those of hijohnnylin/neuronpedia
(utils/neuronpedia-utils: convert-saedashboard-to-neuronpedia-export.py, db_models/*.py). What is not known of
an autoencoder is left at the default that is there.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from orchestrator.lab.neuronpedia_rows import check_new
from orchestrator.lab.sae_sources import collection_of, known, linear
from orchestrator.lab.several_models import short
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.errors import SaeError
from vectors.files import write_atomic
from vectors.lab.sae.contexts import Context, strongest_contexts
from vectors.lab.sae.dashboards import Dashboard, dashboards
from vectors.lab.sae.folders import CONFIG, frequencies_of, layer_of

_BATCH = 1024
_CREATOR = "clkht01d40000jv08hvalcvly"
"""Who rows belong to where nobody says so: the converter's own default."""
_Row = dict[str, JsonValue]


class Exported(Record):
    """Where an export lies, the source's name, and how much it holds; `looked_through` counts tokens."""

    folder: str
    model: str
    source: str
    features: int
    activations: int
    looked_through: int


def export_sae(
    session: Session, folder: Path, out: Path, *, contexts: int = 10, tokens: int = 262_144
) -> Exported:
    """Write the autoencoder in `folder` as a source's export into `out`, with `contexts` texts a feature.

    Texts are looked for in the first `tokens` of what it was trained from. Raises SaeError, also where those
    residuals are not in the cache or `out` holds something, and what keeps a model from being opened.
    """
    check_new(out)
    lm, sae, progress = session.model, linear(folder), session.progress
    layer = layer_of(folder, lm.digest, lm.n_layers, lm.d_model)
    collection = collection_of(lm, folder, session.settings.cache)
    if collection is None:
        raise SaeError(
            f"{folder}: the residuals it was trained from, which hold its texts, are not in the cache; the "
            "command that trained it collects them again"
        )
    shards, d_sae = collection.shards_of(tokens), len(sae.w_dec)
    found = strongest_contexts(sae, collection, range(d_sae), contexts, shards, progress)
    often = frequencies_of(folder)
    rows = _Rows(session, folder, layer)
    written = 0
    for number, first in enumerate(range(0, d_sae, _BATCH)):
        progress("writing features", first, d_sae)
        features = range(first, min(first + _BATCH, d_sae))
        shares = [0.0 if often is None else max(0.0, float(often[feature])) for feature in features]
        pages = zip(dashboards(lm, sae, features), shares, strict=True)
        made = [rows.feature(page, share, found[page.feature]) for page, share in pages]
        texts = [row for feature in features for row in rows.activations(feature, found[feature])]
        _write(out / "features" / f"batch-{number}.jsonl.gz", made)
        _write(out / "activations" / f"batch-{number}.jsonl.gz", texts)
        written += len(texts)
    progress("writing features", d_sae, d_sae)
    looked_through = shards * collection.tokens // len(collection.rows)
    prompts, context = looked_through // collection.plan.context, collection.plan.context
    for name, row in rows.tables(prompts, context).items():
        write_atomic(out / f"{name}.jsonl", f"{json.dumps(row, ensure_ascii=False)}\n".encode())
    return Exported(
        folder=str(out),
        model=rows.model,
        source=rows.source,
        features=d_sae,
        activations=written,
        looked_through=looked_through,
    )


class _Rows:
    """Rows of one source, in Neuronpedia's own field names."""

    def __init__(self, session: Session, folder: Path, layer: int) -> None:
        lm = session.model
        self.model = short(lm.model_id).lower()
        self.set_name = folder.name.lower()
        self.source = f"{layer}-{self.set_name}"
        self._lm, self._layer = lm, layer
        self._metadata = known(folder)
        made = datetime.fromtimestamp((folder / CONFIG).stat().st_mtime, UTC)
        self._created = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._spelled = cache(lm.tokenizer.named)

    def tables(self, prompts: int, context: int) -> dict[str, _Row]:
        """The rows of release, model, source set and source, by the names of their files."""
        release, by = f"{self.model}-{self.set_name}", "steered-orchestrator"
        dated: _Row = {"creatorId": _CREATOR, "createdAt": self._created}
        shown: _Row = {"displayNameShort": self.model, "displayName": self.model}
        return {
            "release": {
                "name": release,
                "description": release,
                "descriptionShort": release,
                "urls": [],
                "creatorName": by,
                "creatorNameShort": by,
                **dated,
            },
            "model": {
                "id": self.model,
                "instruct": "instruct" in self.model,
                "layers": self._lm.n_layers,
                "dimension": self._lm.d_model,
                "updatedAt": self._created,
                **shown,
                **dated,
            },
            "sourceset": {
                "modelId": self.model,
                "name": self.set_name,
                "description": f"Residual stream, {self.set_name}",
                "creatorName": by,
                "releaseName": release,
                "visibility": "PUBLIC",
                **dated,
            },
            "source": {
                "id": self.source,
                "modelId": self.model,
                "setName": self.set_name,
                "visibility": "PUBLIC",
                "hasDashboards": True,
                "dataset": str(self._metadata.get("corpus_sha256")),
                "num_prompts": prompts,
                "num_tokens_in_prompt": context,
                **dated,
            },
        }

    def feature(self, page: Dashboard, share: float, contexts: Sequence[Context]) -> _Row:
        """A feature; its largest activation is of the texts that were found."""
        most = max((max(each.activations) for each in contexts), default=0.0)
        row: _Row = {
            "modelId": self.model,
            "layer": self.source,
            "index": str(page.feature),
            "creatorId": _CREATOR,
            "createdAt": self._created,
            "maxActApprox": round(most, 6),
            "hasVector": True,
            "vector": [*page.vector],
            "vectorLabel": None,
            "vectorDefaultSteerStrength": round(most, 6),
            "hookName": f"blocks.{self._layer}.hook_resid_post",
            "topkCosSimIndices": [*page.neighbours.numbers],
            "topkCosSimValues": [*page.neighbours.values],
            "neuron_alignment_indices": [*page.channels.numbers],
            "neuron_alignment_values": [*page.channels.values],
            "neuron_alignment_l1": [*page.channel_shares],
            "neg_str": self._texts(page.suppressed.numbers),
            "neg_values": [*page.suppressed.values],
            "pos_str": self._texts(page.promoted.numbers),
            "pos_values": [*page.promoted.values],
            "frac_nonzero": share,
            "freq_hist_data_bar_heights": [],
            "freq_hist_data_bar_values": [],
            "logits_hist_data_bar_heights": [*page.bars],
            "logits_hist_data_bar_values": [*page.middles],
            "decoder_weights_dist": [],
            "sourceSetName": self.set_name,
        }
        of_others = ("correlated_neurons", "correlated_features")
        empty: _Row = {f"{one}_{what}": [] for one in of_others for what in ("indices", "pearson", "l1")}
        return row | empty

    def activations(self, feature: int, contexts: Sequence[Context]) -> Iterator[_Row]:
        """A feature's texts, which belong to no bin: they are its strongest."""
        for number, context in enumerate(contexts):
            values = [round(each, 4) for each in context.activations]
            told = f"{self.model}/{self.source}/{feature}/{number}".encode()
            yield {
                "id": f"c{hashlib.sha256(told).hexdigest()[:24]}",
                "tokens": self._texts(context.tokens),
                "index": str(feature),
                "layer": self.source,
                "modelId": self.model,
                "maxValue": max(values),
                "maxValueTokenIndex": context.strongest,
                "minValue": min(values),
                "values": [*values],
                "creatorId": _CREATOR,
                "createdAt": self._created,
                "dataIndex": None,
                "dataSource": None,
                "dfaValues": [],
                "dfaTargetIndex": None,
                "dfaMaxValue": None,
                "lossValues": [],
                "logitContributions": None,
                "binMin": -1,
                "binMax": -1,
                "binContains": -1,
                "qualifyingTokenIndex": context.strongest,
            }

    def _texts(self, token_ids: Sequence[int]) -> list[JsonValue]:
        return [self._spelled(each) for each in token_ids]


def _write(path: Path, rows: Sequence[_Row]) -> None:
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    write_atomic(path, gzip.compress(lines.encode(), compresslevel=5, mtime=0))
