"""/v1/vectors: the vectors that a request may name, and uploads of one's own."""

from typing import Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, JsonValue

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.errors import UnsupportedBody
from services.serving.named_vectors import Named, Source, Vectors

router = APIRouter(prefix="/v1/vectors", tags=["vectors"])
_MEDIA = "application/octet-stream"


class VectorName(BaseModel):
    """A vector's address."""

    model: str
    domain: str
    source: Source


class VectorList(BaseModel):
    """What the caller may name."""

    object: Literal["list"] = "list"
    data: list[VectorName]


class VectorAnswer(VectorName):
    """A vector: its defaults and, at each block, the norms of its direction and of the residual stream, and
    the spread of that, of which strengths are shares. `default_alpha` is null where nobody measured the dose
    yet: `/v1/arena/library/dose` does.
    """

    sha256: str
    default_layer: int
    default_alpha: float | None
    norms: list[float]
    residual_norms: list[float]
    spreads: list[float]

    @classmethod
    def of(cls, vectors: Vectors, model: str, domain: str, named: Named) -> "VectorAnswer":
        """From the vector itself; nothing is measured."""
        vector = named.vector
        return cls(
            model=model,
            domain=domain,
            source=named.source,
            sha256=vector.sha256,
            default_layer=vector.default_layer,
            default_alpha=vectors.known_alpha(vector),
            norms=vector.norms().tolist(),
            residual_norms=vector.residual_norms.tolist(),
            spreads=vector.spreads.tolist(),
        )


@router.get("", responses=documented(401, 403, 429, 503))
def list_vectors(runtime: RuntimeOf, owner: Owner) -> VectorList:
    """The project's domains, the operator's own vectors, and the caller's uploads."""
    served = runtime.models.serving()
    return VectorList(
        data=[
            VectorName(model=served.name, domain=domain, source=source)
            for domain, source in served.vectors.names(owner)
        ]
    )


@router.get("/{model}/{domain}", responses=documented(401, 403, 404, 422, 429, 503))
def get_vector(model: str, domain: str, runtime: RuntimeOf, owner: Owner) -> VectorAnswer:
    """One vector."""
    vectors = runtime.models.serving().vectors
    return VectorAnswer.of(vectors, model, domain, vectors.get(owner, model, domain))


@router.delete("/{model}/{domain}", status_code=204, responses=documented(401, 403, 404, 409, 422, 429, 503))
def delete_vector(model: str, domain: str, runtime: RuntimeOf, owner: Owner) -> None:
    """Delete a vector of the caller's own."""
    runtime.models.serving().vectors.delete(owner, model, domain)


_FILE: dict[str, JsonValue] = {
    "requestBody": {
        "required": True,
        "content": {_MEDIA: {"schema": {"type": "string", "format": "binary", "maxLength": 1 << 20}}},
    }
}


@router.put(
    "/{model}/{domain}",
    openapi_extra=_FILE,
    responses={
        201: {"description": "Kept under a new name.", "model": VectorAnswer},
        **documented(401, 403, 404, 409, 413, 415, 422, 429, 503),
    },
)
async def put_vector(
    model: str, domain: str, request: Request, response: Response, runtime: RuntimeOf, owner: Owner
) -> VectorAnswer:
    """Keep a vector of the caller's own: the safetensors file of `orchestrate vectors export`."""
    vectors = runtime.models.serving().vectors
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _MEDIA:
        raise UnsupportedBody(f"a vector is sent as {_MEDIA}: set that Content-Type")
    data = await request.body()
    named, new = await anyio.to_thread.run_sync(vectors.put, owner, model, domain, data)
    response.status_code = 201 if new else 200
    return VectorAnswer.of(vectors, model, domain, named)
