"""Whether the server lives, whether it is ready, and its metrics."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from services.api.access import Owner, RuntimeOf
from services.api.problems import documented
from services.errors import Unavailable
from services.store.records import STATES

router = APIRouter(tags=["health"])


class Live(BaseModel):
    """The server's loop turns."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """The model is loaded, the store can be written to, and the queue is open."""

    status: Literal["ready"] = "ready"


@router.get("/live")
async def live() -> Live:
    """Whether the process answers at all."""
    return Live()


@router.get("/ready", responses=documented(503))
def ready(runtime: RuntimeOf) -> Ready:
    """Whether the server takes work."""
    if found := runtime.unready():
        raise Unavailable("; ".join(found), retry_after_s=5)
    return Ready()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **documented(401, 403, 429)},
)
def metrics(runtime: RuntimeOf, owner: Owner) -> Response:
    """Counts and timings for Prometheus."""
    del owner
    found, counts = runtime.metrics, runtime.store.tasks.counts()
    for state in STATES:
        found.tasks.labels(state).set(counts.get(state, 0))
    waiting, tokens = runtime.store.tasks.waiting()
    found.queue_tasks.set(waiting)
    found.queue_tokens.set(tokens)
    found.chat_requests.set(runtime.gate.requests)
    found.chat_tokens.set(runtime.gate.tokens)
    if (served := runtime.models.served) is not None:
        found.engine(served.engine.stats())
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)
