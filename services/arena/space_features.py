"""/v1/arena/space/features: which of an autoencoder's features a vector is a sum of, and what each is of."""

import hashlib
import json
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.lab.sae_sources import linear
from orchestrator.policy.decisions import Record
from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.arena.arena import ArenaOf
from services.arena.explanations import Told, examples, explanations
from services.arena.kept_answers import Digested, KeptAnswers
from services.arena.lab_saes import OpenSae, SaeAtHand, open_sae
from services.errors import Invalid
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from services.texts import StoredText
from vectors.domains.domain_vector import DomainVector
from vectors.errors import SaeError
from vectors.lab.sae.parts import take_apart
from vectors.lab.steering.lens import logit_lens

router = APIRouter(prefix="/v1/arena/space/features", tags=["arena"])
_FORMAT = "1"
_TOKENS = 6


class VectorPart(Record):
    """A feature: the weight of its unit direction in the sum, its cosine to the vector, at what share of
    tokens it is active (null where the autoencoder does not say), and what it promotes and suppresses.
    """

    feature: int
    weight: float
    cosine: float
    frequency: float | None
    promoted: tuple[str, ...]
    suppressed: tuple[str, ...]


class VectorParts(Digested):
    """What does not hang on what others say of the features."""

    explained: dict[int, float]
    random_few: float
    parts: tuple[VectorPart, ...]


class KnownPart(VectorPart):
    """With what the laboratory says of it: an explanation, and the text in which it is most active."""

    explanation: Told | None
    example: Told | None


class PartsAnswer(BaseModel):
    """A vector at the autoencoder's block as a sum of 20 features with weights above zero, largest first.

    `explained` is R² by the number of features; `random_few` is what 20 explain of a random direction.
    """

    domain: str
    sae: SaeAtHand
    norm: float
    explained: dict[int, float]
    random_few: float
    features: list[KnownPart]


@router.get("", responses=documented(401, 403, 404, 422, 429, 503))
async def features_of(
    runtime: RuntimeOf,
    arena: ArenaOf,
    owner: Owner,
    domain: Annotated[StoredText, Query(max_length=64)],
    sae: Annotated[str, Query(pattern=r"^[0-9a-f]{16}$")],
) -> PartsAnswer:
    """Of which features a vector consists, with what is known of each: computed once, then kept."""
    served = runtime.models.serving()
    vector, opened, digest = await anyio.to_thread.run_sync(_asked, runtime, served, owner, domain, sae)
    found = await anyio.to_thread.run_sync(partial(arena.kept.get, VectorParts, digest))
    if found is None:
        found = await arena.turns.take(partial(_made, arena.kept, served, opened, vector, digest))
    return await anyio.to_thread.run_sync(_told, runtime, served, domain, opened, vector, found)


def _asked(
    runtime: Runtime, served: Served, owner: str, domain: str, sae_id: str
) -> tuple[DomainVector, OpenSae, str]:
    vector = served.vectors.named(owner, domain)
    sae = open_sae(runtime.settings.lab_runs, served.lm, sae_id)
    if not vector.directions[sae.layer].any():
        raise Invalid(f"{domain} is nothing at layer {sae.layer}, where {sae.told.name} was trained")
    told = [_FORMAT, served.lm.digest, str(served.lm.dtype), vector.sha256, sae.layer, sae.sha256]
    return vector, sae, hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _made(kept: KeptAnswers, served: Served, sae: OpenSae, vector: DomainVector, digest: str) -> VectorParts:
    if (known := kept.get(VectorParts, digest)) is not None:
        return known  # somebody asked for it just before
    try:
        weights = linear(sae.folder)
        found = take_apart(sae.folder, weights, vector.directions[sae.layer])
    except SaeError as error:
        raise sae.refused(error) from None
    rows = []
    for each in found.parts:
        lens = logit_lens(served.lm, weights.w_dec[each.feature], _TOKENS)
        rows.append(VectorPart(**vars(each), promoted=lens.promoted, suppressed=lens.suppressed))
    made = VectorParts(
        digest=digest, explained=found.explained, random_few=found.random_few, parts=tuple(rows)
    )
    kept.keep(made)
    return made


def _told(
    runtime: Runtime, served: Served, domain: str, sae: OpenSae, vector: DomainVector, found: VectorParts
) -> PartsAnswer:
    root = runtime.settings.lab_runs
    written, seen = explanations(root, served.lm, sae.told), examples(root, served.lm, sae.told)
    return PartsAnswer(
        domain=domain,
        sae=sae.told,
        norm=float(vector.norms()[sae.layer]),
        explained=found.explained,
        random_few=found.random_few,
        features=[
            KnownPart(
                **each.model_dump(), explanation=written.get(each.feature), example=seen.get(each.feature)
            )
            for each in found.parts
        ],
    )
