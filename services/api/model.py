"""/v1/model: which model is in memory, and its exchange for another that the operator listed."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.api.access import Operator, Owner, RuntimeOf
from services.api.problems import documented
from services.bodies import Body
from services.observability.memory import resident_bytes
from services.serving.exchange import State
from services.serving.runtime import Runtime
from services.work.inputs import Name
from vectors.engine.engine import EngineStats

router = APIRouter(prefix="/v1/model", tags=["model"])


class Exchange(Body):
    """What is to be loaded. Running tasks may go on for `wait_s`; what then still runs is given back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "qwen3-0.6b"}]})

    model: Name
    wait_s: Annotated[int, Field(ge=0, le=3600)] = 600


class Memory(BaseModel):
    """What the server takes, in bytes: the process with the model and everything else that is in memory (null
    where the system does not tell), and of that the engine's cache: what rows and prefixes hold now, and what
    it may hold at the most.
    """

    resident_bytes: int | None
    cache_bytes: int
    cache_bytes_at_most: int

    @classmethod
    def of(cls, stats: EngineStats) -> "Memory":
        """As it is now."""
        return cls(
            resident_bytes=resident_bytes(),
            cache_bytes=stats.cache_tokens_used * stats.token_bytes,
            cache_bytes_at_most=stats.cache_tokens * stats.token_bytes,
        )


class ModelState(BaseModel):
    """The model in memory (null while there is none), what it takes, and what becomes of it.

    `model` is the one in memory or on its way there; `error` says why the last exchange came to nothing;
    `waiting` counts the queued tasks by the model that they wait for.
    """

    model: str
    digest: str | None
    state: State
    error: str | None
    may_load: list[str]
    waiting: dict[str, int]
    memory: Memory | None

    @classmethod
    def of(cls, runtime: Runtime) -> "ModelState":
        """As it stands. Blocks."""
        models = runtime.models
        served = models.served
        return cls(
            model=models.target,
            digest=models.digest,
            state=models.state,
            error=models.error,
            may_load=models.names,
            waiting=dict(runtime.store.tasks.waiting_for()),
            memory=None if served is None else Memory.of(served.engine.stats()),
        )


@router.get("", responses=documented(401, 403, 429))
def state(runtime: RuntimeOf, owner: Owner) -> ModelState:
    """The model in memory, or on its way there."""
    del owner
    return ModelState.of(runtime)


@router.put("", status_code=202, responses=documented(400, 401, 403, 409, 413, 415, 422, 429, 503))
def exchange(body: Exchange, runtime: RuntimeOf, operator: Operator) -> ModelState:
    """Begin to load another model: fetch it, let tasks and chats end, unload the old one, load, go on."""
    del operator
    runtime.models.exchange(body.model, body.wait_s)
    return ModelState.of(runtime)
