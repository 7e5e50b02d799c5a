"""/v1/arena/space: how the vectors of a library lie to one another at every layer."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query

from orchestrator.policy.decisions import Record
from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent
from services.api.problems import documented
from services.arena.arena import ArenaOf
from services.arena.kept_answers import Digested, KeptAnswers
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
_FORMAT = "1"


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


class SpaceAnswer(Digested):
    """Vectors of one model, with the cosines of every pair at every layer, [layers][vectors][vectors].

    The plane holds the two principal components of all unit directions at all layers; `explained` are their
    shares of the variance. `digest` says of which model and vectors this is.
    """

    model: str
    layers: int
    explained: tuple[float, float]
    vectors: tuple[SpaceVector, ...]
    cosines: tuple[tuple[tuple[float, ...], ...], ...]


@router.get("", responses=documented(401, 403, 404, 422, 429, 503))
async def space(
    runtime: RuntimeOf,
    arena: ArenaOf,
    owner: Owner,
    model: Annotated[StoredText | Absent, Query(max_length=200)] = None,
) -> SpaceAnswer:
    """The caller's library at every layer: computed once, then kept. Left out are vectors of one layer, such
    as those of an autoencoder's features.
    """
    served = runtime.models.serving()
    model_of(served, model or served.name)
    named, digest = await anyio.to_thread.run_sync(_asked, served, owner)
    found = await anyio.to_thread.run_sync(partial(arena.kept.get, SpaceAnswer, digest))
    if found is None:
        found = await arena.turns.take(partial(_made, arena.kept, served, named, digest))
    return found


Drawn = Sequence[tuple[str, Source, DomainVector]]


def _asked(served: Served, owner: str) -> tuple[Drawn, str]:
    """The vectors that have a path through the layers, and the hash of all that decides the answer."""
    vectors = [
        (name, source, served.vectors.named(owner, name)) for name, source in served.vectors.names(owner)
    ]
    named = [each for each in vectors if bool((each[2].norms() > 0).all())]
    if len(named) > MOST_VECTORS:
        raise Invalid(f"{len(named)} vectors: at most {MOST_VECTORS} are drawn together; delete uploads")
    told = [_FORMAT, served.name, served.lm.digest, str(served.lm.dtype)]
    for name, source, vector in named:
        told += [name, source, vector.sha256, str(vector.default_layer), str(vector.residual_norms.tolist())]
    return named, hashlib.sha256("\n".join(told).encode()).hexdigest()


def _made(kept: KeptAnswers, served: Served, named: Drawn, digest: str) -> SpaceAnswer:
    found = kept.get(SpaceAnswer, digest)  # somebody may have asked for it just before
    if found is None:
        found = _space(served, named, digest)
        kept.keep(found)
    return found


def _space(served: Served, named: Drawn, digest: str) -> SpaceAnswer:
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
