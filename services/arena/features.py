"""/v1/arena/library/features: vectors made of an autoencoder's features, as `lab sae features` makes nine."""

import hashlib
import json
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.errors import ConfigError
from orchestrator.lab.sae_choosing import Choosing
from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.arena.arena import ArenaOf
from services.arena.lab_saes import OpenSae, SaeAtHand, open_sae
from services.bodies import Body
from services.chat.preparing import model_of
from services.errors import Conflict, NotFound
from services.serving.exchange import Served
from services.serving.runtime import Runtime
from services.texts import StoredText
from vectors.domains import library
from vectors.domains.domain_vector import DomainVector
from vectors.errors import SaeError
from vectors.lab.sae.targeted import Choice, Strategy, cosine
from vectors.suggestions import did_you_mean

router = APIRouter(prefix="/v1/arena/library/features", tags=["arena"])
_FORMAT = "1"
_ASKED = "arena_request"
"""Where a vector's file says what was asked for."""
_DOMAIN_CHARS = 30
"""Of the domain's name in the vector's, which has 64 at the most."""


class FeaturesRequest(Body):
    """Of which autoencoder's features a vector of a domain is made, how they are chosen and put together.

    `top` is how many; strategy "single" takes the best of them, and choice "published" scores five times as
    many.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sae": "0123456789abcdef",
                    "domain": "code_reading",
                    "strategy": "weighted",
                    "choice": "difference",
                    "top": 20,
                }
            ]
        }
    )

    sae: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    domain: Annotated[StoredText, Field(max_length=64)]
    strategy: Strategy = "weighted"
    choice: Choice = "difference"
    top: Annotated[int, Field(ge=1, le=100)] = 20
    model: Annotated[StoredText, Field(max_length=200)] | None = None


class FeaturesAnswer(BaseModel):
    """The vector's name in the caller's library, the block at which it steers and beside which it is nothing,
    its features, best first, and its cosine to the domain's own vector there.
    """

    model: str
    domain: str
    sae: SaeAtHand
    layer: int
    features: list[int]
    cosine: float


@router.post(
    "",
    responses={
        201: {"description": "Made and kept.", "model": FeaturesAnswer},
        **documented(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    },
)
async def make_features(
    body: FeaturesRequest, runtime: RuntimeOf, arena: ArenaOf, owner: Owner, response: Response
) -> FeaturesAnswer:
    """Make a vector of an autoencoder's features, and keep it as an upload of the caller's.

    That takes seconds, or a minute by the published score, and goes on one at a time. The same request finds
    the same vector again.
    """
    served = runtime.models.serving()
    model_of(served, body.model or served.name)
    found, new = await arena.turns.take(partial(_made, runtime, served, owner, body))
    response.status_code = 201 if new else 200
    return found


def _made(
    runtime: Runtime, served: Served, owner: str, asked: FeaturesRequest
) -> tuple[FeaturesAnswer, bool]:
    vectors, domains = served.vectors, served.session.vectors.domains
    if asked.domain not in (names := domains.names()):
        near = did_you_mean(asked.domain, names)
        raise NotFound(f"there is no domain {asked.domain!r}: expected one of {', '.join(names)}{near}")
    sae = open_sae(runtime.settings.lab_runs, served.lm, asked.sae)
    own = vectors.named(owner, asked.domain)
    digest = _digest(served, sae, own, domains.load(asked.domain).prompts.digest, asked)
    name = f"{asked.domain[:_DOMAIN_CHARS]}-{asked.strategy}-{asked.choice}-{asked.top}-{digest[:8]}"
    new = name not in dict(vectors.names(owner))
    if new:
        vectors.refuse_more(owner)
        with runtime.gate.enter(0):  # so that no other model takes the place of this one meanwhile
            vector = _chosen(served, sae, own, asked, digest)
        _keep(served, owner, name, vector)
    else:
        vector = vectors.named(owner, name)
        if vector.metadata.get(_ASKED) != digest:
            raise Conflict(f"{name} is another vector of yours: delete it, or keep it under another name")
    answer = FeaturesAnswer(
        model=served.name,
        domain=name,
        sae=sae.told,
        layer=sae.layer,
        features=json.loads(vector.metadata["features"]),
        cosine=cosine(vector.directions[sae.layer], own.directions[sae.layer]),
    )
    return answer, new


def _digest(
    served: Served, sae: OpenSae, own: DomainVector, prompts_digest: str, asked: FeaturesRequest
) -> str:
    """Of all that decides what the vector is."""
    said = asked.model_dump(mode="json", exclude={"sae", "model"})
    told = [_FORMAT, served.lm.digest, str(served.lm.dtype), sae.sha256, own.sha256, prompts_digest, said]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _chosen(
    served: Served, sae: OpenSae, own: DomainVector, asked: FeaturesRequest, digest: str
) -> DomainVector:
    try:
        choosing = Choosing(served.session, sae.folder, own, sae.layer, asked.top)
        vector = choosing.make(asked.choice, asked.strategy).vector
    except (SaeError, ConfigError) as error:
        raise sae.refused(error) from None
    return replace(vector, metadata={**vector.metadata, _ASKED: digest})


def _keep(served: Served, owner: str, name: str, vector: DomainVector) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vector.safetensors"
        library.save(vector, path)
        served.vectors.put(owner, served.name, name, path.read_bytes())
