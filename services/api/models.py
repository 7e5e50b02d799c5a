"""/v1/models: the model in memory, as OpenAI's own client asks for it."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.errors import NotFound
from services.serving.runtime import Runtime

router = APIRouter(prefix="/v1/models", tags=["chat"])


class Model(BaseModel):
    """A model; `blocks`, `d_model` and `context_length` say what a steering must fit."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: Literal["operator"] = "operator"
    blocks: int
    d_model: int
    context_length: int
    digest: str


class ModelList(BaseModel):
    """The models that this server has in memory: one."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("", responses=documented(401, 403, 429, 503, openai=True))
def models(runtime: RuntimeOf, owner: Owner) -> ModelList:
    """The model in memory."""
    del owner
    return ModelList(data=[_model(runtime)])


@router.get("/{model}", responses=documented(401, 403, 404, 429, 503, openai=True))
def model(model: str, runtime: RuntimeOf, owner: Owner) -> Model:
    """One model."""
    del owner
    found = _model(runtime)
    if model != found.id:
        raise NotFound(f"model {model[:100]!r} is not in memory here: ask for {found.id!r}")
    return found


def _model(runtime: Runtime) -> Model:
    served = runtime.models.serving()
    lm = served.lm
    return Model(
        id=served.name,
        blocks=lm.n_layers,
        d_model=lm.d_model,
        context_length=lm.context_length,
        digest=lm.digest,
    )
