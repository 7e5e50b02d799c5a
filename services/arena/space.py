"""/v1/arena/space: how the vectors of a library lie to one another at every layer."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.policy.decisions import Record
from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent
from services.api.problems import documented
from services.chat.preparing import model_of
from services.errors import Invalid
from services.serving.exchange import Served
from services.serving.named_vectors import Source
from services.texts import StoredText
from vectors.domains.domain_vector import DomainVector
from vectors.lab.steering.vector_paths import cosines_by_layer, paths, words_by_layer

router = APIRouter(prefix="/v1/arena/space", tags=["arena"])
MOST_VECTORS = 24
_WORDS = 8
_KEPT = 8
"""Libraries whose figures are kept in memory; they take seconds to compute."""


class LayerWords(Record):
    """The tokens that a vector promotes and suppresses most at a layer, with how many standard deviations."""

    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]
    promoted_z: tuple[float, ...]
    suppressed_z: tuple[float, ...]


class SpaceVector(Record):
    """A vector at every layer: where its unit direction lies on the plane (`x`, `y`), its norm, that norm as
    a share of the residual stream's, and its words through the logit lens.
    """

    domain: str
    source: Source
    default_layer: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    norms: tuple[float, ...]
    residual_shares: tuple[float, ...]
    words: tuple[LayerWords, ...]


class SpaceAnswer(Record):
    """Vectors of one model, with the cosines of every pair at every layer, [layers][vectors][vectors].

    The plane holds the two principal components of all unit directions at all layers; `explained` are their
    shares of the variance. `digest` says of which model and vectors this is.
    """

    model: str
    digest: str
    layers: int
    explained: tuple[float, float]
    vectors: tuple[SpaceVector, ...]
    cosines: tuple[tuple[tuple[float, ...], ...], ...]


class Spaces:
    """What was computed last, by digest. Safe from any thread; one is computed at a time."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, SpaceAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, served: Served, named: Sequence[tuple[str, Source, DomainVector]]) -> SpaceAnswer:
        """The figures of these vectors of the model in memory."""
        told = [served.lm.digest, *(f"{name} {vector.sha256}" for name, _, vector in named)]
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()
        with self._lock:
            if digest not in self._found:
                self._found[digest] = _space(served, named, digest)
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
            self._found.move_to_end(digest)
            return self._found[digest]


_spaces = Spaces()


@router.get("", responses=documented(401, 403, 404, 422, 429, 503))
def space(
    runtime: RuntimeOf, owner: Owner, model: Annotated[StoredText | Absent, Query(max_length=200)] = None
) -> SpaceAnswer:
    """The caller's library at every layer: computed once, then kept."""
    served = runtime.models.serving()
    model_of(served, model or served.name)
    names = served.vectors.names(owner)
    if len(names) > MOST_VECTORS:
        raise Invalid(f"{len(names)} vectors: at most {MOST_VECTORS} are drawn together; delete uploads")
    return _spaces.of(served, [(name, source, served.vectors.named(owner, name)) for name, source in names])


def _space(served: Served, named: Sequence[tuple[str, Source, DomainVector]], digest: str) -> SpaceAnswer:
    vectors = [vector for _, _, vector in named]
    found = paths(vectors)
    drawn = []
    for number, (name, source, vector) in enumerate(named):
        norms = vector.norms()
        lens = words_by_layer(served.lm, vector, _WORDS)
        drawn.append(
            SpaceVector(
                domain=name,
                source=source,
                default_layer=vector.default_layer,
                x=found.first[number],
                y=found.second[number],
                norms=tuple(norms.tolist()),
                residual_shares=tuple((norms / vector.residual_norms).tolist()),
                words=tuple(LayerWords(**vars(each)) for each in lens),
            )
        )
    return SpaceAnswer(
        model=served.name,
        digest=digest,
        layers=served.lm.n_layers,
        explained=found.explained,
        vectors=tuple(drawn),
        cosines=cosines_by_layer(vectors),
    )
