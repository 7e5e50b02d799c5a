"""The tools at /mcp of a server, as the protocol's streamable HTTP, for who has one of the server's keys."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from urllib.parse import urlsplit

import anyio
from fastapi import APIRouter, Request, Response
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from services.api.access import Owner
from services.errors import Forbidden
from services.mcp.toolbox import Context, Toolbox
from services.serving.runtime import Runtime
from services.settings import BODY_BYTES

PATH = "/mcp"
_LOOK_S = 0.05


class Door:
    """Makes the route; `opened` is the time in which it may be called."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._toolbox = Toolbox(runtime, _owner_of)
        self._manager = StreamableHTTPSessionManager(
            self._toolbox.server,
            max_request_body_size=BODY_BYTES,
            max_sessions=runtime.settings.connections,
        )
        self._posts = 0
        """Answers on their way: a call that has ended is not yet told of."""
        self.router = APIRouter()
        self.router.add_api_route(
            PATH, self._answer, methods=["GET", "POST", "DELETE"], include_in_schema=False
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Answer until the server stops: calls that run then have time to end, and sessions end with them."""
        begun = asyncio.Event()
        answering = asyncio.create_task(self._until_stopped(begun))
        await begun.wait()
        yield
        await answering

    async def _until_stopped(self, begun: asyncio.Event) -> None:
        async with self._manager.run():
            begun.set()
            while not self._runtime.models.stopping:
                await asyncio.sleep(_LOOK_S)
            with anyio.move_on_after(self._runtime.settings.drain_s):
                while self._toolbox.calls or self._posts:
                    await asyncio.sleep(_LOOK_S)

    async def _answer(self, request: Request, owner: Owner) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).hostname != request.url.hostname:
            raise Forbidden("a page of another origin may not call this")
        # A session is that of the key that opened it.
        user = AuthenticatedUser(AccessToken(token="", client_id=owner, scopes=[]))
        return _HandedOn(self._manager, user, self._answering if request.method == "POST" else nullcontext)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        self._posts += 1
        try:
            yield
        finally:
            self._posts -= 1


class _HandedOn(Response):
    """An answer that the protocol's library sends."""

    def __init__(
        self,
        manager: StreamableHTTPSessionManager,
        user: AuthenticatedUser,
        counted: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__()
        self._manager, self._user, self._counted = manager, user, counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._counted():
            await self._manager.handle_request({**scope, "user": self._user}, receive, send)


def _owner_of(context: Context) -> str:
    assert context.request is not None
    owner: str = context.request.state.owner
    return owner
