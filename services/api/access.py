"""Who calls: the owner that a key stands for, and how often it may call.

Without any key ever made, a server on loopback is open to the programs of its machine, as one owner. It then
answers only to its own names: a page in a browser that was sent here under another name gets nothing.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.errors import Forbidden, Unauthorized
from services.serving.runtime import Runtime

LOCAL = "local"
_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
_bearer = HTTPBearer(auto_error=False, description="A key of `orchestrate keys create`.")


async def runtime_of(request: Request) -> Runtime:
    """The server's runtime. A coroutine, because FastAPI calls anything else in a thread."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeOf = Annotated[Runtime, Depends(runtime_of)]


def owner_of(
    request: Request,
    runtime: RuntimeOf,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """The owner who calls. Raises Unauthorized, Forbidden, Busy."""
    owner = _authenticated(request, runtime, credentials)
    request.state.owner = owner
    runtime.rates.take(owner)
    return owner


Owner = Annotated[str, Depends(owner_of)]


def operator_of(owner: Owner, runtime: RuntimeOf) -> str:
    """The owner, if it may change the server itself: whoever calls one without keys may. Raises Forbidden."""
    if owner != LOCAL and not runtime.store.keys.operates(owner):
        raise Forbidden("this needs a key of `orchestrate keys create --operator`")
    return owner


Operator = Annotated[str, Depends(operator_of)]


def _authenticated(
    request: Request, runtime: Runtime, credentials: HTTPAuthorizationCredentials | None
) -> str:
    keys = runtime.store.keys
    owner = keys.owner_of(credentials.credentials) if credentials else None
    if owner is not None:
        return owner
    if not runtime.settings.loopback or keys.any_made():
        raise Unauthorized("a valid key is needed: Authorization: Bearer orch_…")
    if request.url.hostname not in _NAMES:
        raise Forbidden(
            "a server without keys answers to localhost only: call it by that name, or make a key"
        )
    return LOCAL
