"""The edge: every request passes here first. It gets an id, its body is read up to a limit, and one line is
logged when it has ended: never a prompt, a body or a key.

Plain ASGI, so that a client that goes away is noticed by the route that answers it.
"""

import asyncio
import re
import secrets
import time
from urllib.parse import unquote

import structlog
from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import METHODS, error_response
from services.errors import BadFraming, HeadersTooLarge, ServiceError, TooLarge, TooSlow, UnsupportedBody
from services.observability.metrics import Metrics
from services.settings import BODY_BYTES, HEADER_BYTES

BODY_S = 30.0
"""From the end of the headers to that of the body."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("http")
_tracer = trace.get_tracer("orchestrate.http")


class Edge:
    """Wraps the app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _origin_form(scope)
        headers, head = dict(scope["headers"]), scope["method"] == "HEAD"
        request_id = _request_id(headers.get(b"x-request-id", b""))
        scope.setdefault("state", {})["request_id"] = request_id
        began, status, complete = time.perf_counter(), 500, False

        async def send_noting(message: Message) -> None:
            nonlocal status, complete
            if complete:
                return  # of an answer without a body
            if message["type"] == "http.response.body":
                complete = head or not message.get("more_body", False)
                message = {**message, "body": b"", "more_body": False} if head else message
            if message["type"] == "http.response.start":
                status = int(message["status"])
                answered = list(message.get("headers", []))
                if not any(name.lower() == b"cache-control" for name, _ in answered):
                    answered.append((b"cache-control", b"no-store"))
                message["headers"] = [
                    *answered,
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        with _tracer.start_as_current_span(f"{scope['method']} request") as span:
            try:
                try:
                    body = await _body(headers, receive)
                except ServiceError as error:
                    await error_response(scope["path"], request_id, error)(scope, receive, send_noting)
                else:
                    asked = {**scope, "method": "GET"} if head else scope
                    await self._app(asked, _replayed(body, receive), send_noting)
                    scope["route"] = asked.get("route")
            except Exception:
                _log.exception("request failed", request_id=request_id)
                if not complete:
                    raise  # so that the connection is closed
            finally:
                route = getattr(scope.get("route"), "path", "none")
                span.set_attributes(
                    {"http.route": route, "http.response.status_code": status, "request.id": request_id}
                )
                self._note(scope, route, status, time.perf_counter() - began)

    def _note(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        _log.info(
            "request",
            request_id=scope["state"]["request_id"],
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 4),
            owner=scope["state"].get("owner"),
        )


def _request_id(offered: bytes) -> str:
    text = offered.decode("latin-1")
    return text if _ID.fullmatch(text) else secrets.token_hex(8)


def _origin_form(scope: Scope) -> Scope:
    """The request as it is without the server's name in its target: `GET http://host/live` asks for /live."""
    scheme, named, rest = scope["raw_path"].partition(b"://")
    if not named or scheme.lower() not in (b"http", b"https"):
        return scope
    host, _, path = rest.partition(b"/")
    raw = b"/" + path
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "raw_path": raw,
        "path": unquote(raw.decode("ascii")),
        "headers": [(b"host", host), *headers],
    }


async def _body(headers: dict[bytes, bytes], receive: Receive) -> list[Message]:
    """The messages of the whole body. Raises TooLarge before more than the limit was read, TooSlow."""
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise BadFraming("a request has a Content-Length or a Transfer-Encoding, not both")
    if sum(len(name) + len(value) for name, value in headers.items()) > HEADER_BYTES:
        raise HeadersTooLarge(f"the headers are larger than {HEADER_BYTES} bytes, which is the limit")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedBody("compressed bodies are not read: send it as it is")
    too_large = TooLarge(f"the body is larger than {BODY_BYTES} bytes, which is the limit")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > BODY_BYTES:
        raise too_large
    messages: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                messages.append(message)
                size += len(message.get("body", b""))
                if size > BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return messages
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_S:g} s") from None


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    """What was read, once more, and then whatever comes."""
    waiting = list(reversed(messages))

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
