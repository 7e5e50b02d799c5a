"""The app: routes, errors and the edge around them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Protocol

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from services.api import (
    completions,
    events,
    health,
    model,
    models,
    problems,
    responses,
    tasks,
    text_completions,
    vectors,
)
from services.api.described import Form, description
from services.api.edge import Edge
from services.arena import (
    batches,
    features,
    laboratory,
    page,
    runs,
    space,
    space_features,
    vector_library,
)
from services.arena.arena import Arena
from services.arena.batch_forms import BATCH_EVENT
from services.arena.run_events import RUN_EVENT
from services.observability.lag import watch
from services.serving.runtime import Runtime

ROUTERS = (
    tasks.router,
    events.router,
    completions.router,
    responses.router,
    text_completions.router,
    models.router,
    model.router,
    vectors.router,
    runs.router,
    batches.router,
    vector_library.router,
    features.router,
    space.router,
    space_features.router,
    laboratory.router,
    health.router,
)
_FORMS: dict[str, Form] = {"RunEvent": RUN_EVENT, "BatchEvent": BATCH_EVENT}
"""Of what the arena's streams tell."""
DESCRIPTION = """Solves software tasks with steered small language models, and answers chats with them.

Tasks are durable: once created they survive crashes and restarts, and their events can be read again from any
number on."""

_THREADS = 6
"""That read and write the store for requests. Forty, anyio's default, keep the loop from the processor:
beside 300 clients on two cores the 99th percentile of `/live` was 46 to 52 ms, and is 15 to 20 with so few.
"""


class Door(Protocol):
    """Another way in, beside the API's routes: its own routes, and the time in which they may be called."""

    router: APIRouter

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Left once the runtime stops."""
        ...


def create_app(runtime: Runtime, doors: Sequence[Door] = ()) -> FastAPI:
    """The app of one runtime, which it stops when it is shut down."""
    arena = Arena(runtime)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        watching = asyncio.create_task(watch(runtime.metrics))
        async with AsyncExitStack() as opened:
            for door in doors:
                await opened.enter_async_context(door.opened())
            yield
            watching.cancel()
            runtime.begin_stop()
            await arena.stop()
        await anyio.to_thread.run_sync(runtime.stop)

    app = routed(doors, lifespan)
    app.state.runtime, app.state.arena = runtime, arena
    return app


def routed(
    doors: Sequence[Door] = (),
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The routes and what they say of themselves, which is all that can be asked without a runtime."""
    app = FastAPI(
        title="Steered orchestrator",
        version=version("steered-orchestrator"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (*ROUTERS, page.router, *(door.router for door in doors)):
        app.include_router(router)
    problems.install(app)
    app.openapi = lambda: description(app, _FORMS)  # type: ignore[method-assign]
    return app


def edged(app: FastAPI) -> ASGIApp:
    """The app behind its edge: this is what is served."""
    runtime: Runtime = app.state.runtime
    return Edge(app, runtime.metrics)
