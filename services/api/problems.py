"""How errors look: RFC 9457 problems, and OpenAI's envelope under the routes that its client calls.

What a request held is never repeated in an error.
"""

from collections.abc import Mapping

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from orchestrator.errors import OrchestratorError
from retrieval.errors import RetrievalError
from services.errors import ServiceError
from swebench.errors import SwebenchError
from vectors.errors import VectorsError

OPENAI_ROUTES = ("/v1/chat/", "/v1/models")
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")
_log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """An error of a route that is not OpenAI's: application/problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[dict[str, str]] | None = None


class OpenAIErrorBody(BaseModel):
    """What OpenAI's client reads of an error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """An error of a route that is OpenAI's."""

    error: OpenAIErrorBody


def documented(*statuses: int, openai: bool = False) -> dict[int | str, dict[str, JsonValue]]:
    """The errors of a route, for its OpenAPI description."""
    media, name = ("application/json", "OpenAIError") if openai else ("application/problem+json", "Problem")
    content: JsonValue = {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {status: {"description": _title(status), "content": content} for status in statuses}


def error_response(path: str, request_id: str, error: ServiceError) -> JSONResponse:
    """An error as the client of this path expects it."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(path, request_id, error.status, str(error.args[0]), error.code, headers)


def install(app: FastAPI) -> None:
    """Answer every error of an app in these forms."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in (OrchestratorError, RetrievalError, SwebenchError, VectorsError):
        app.add_exception_handler(kind, _other_room_error)
    app.add_exception_handler(Exception, _unexpected_error)


def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return error_response(request.url.path, request.state.request_id, error)


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        {"where": ".".join(map(str, each["loc"])), "message": each["msg"].removeprefix("Value error, ")}
        for each in error.errors()[:20]
    ]
    first = found[0]
    where = first["where"].removeprefix("body.")
    detail = f"{where}: {first['message']}"
    return _response(
        request.url.path, request.state.request_id, 422, detail, "invalid", {}, where or None, found
    )


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return _response(
        request.url.path, request.state.request_id, error.status_code, str(error.detail), code, headers
    )


def _allowed(request: Request) -> str:
    """Every method of a path: the framework names those of the path's first route only."""
    routes = request.app.routes
    taken = (
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    )
    return ", ".join(taken)


def _other_room_error(request: Request, error: Exception) -> JSONResponse:
    """An error of a room below: the caller's input, or work that failed (whose words may name folders)."""
    path, request_id = request.url.path, request.state.request_id
    if isinstance(error, ValueError | LookupError):
        return _response(path, request_id, 422, str(error.args[0]), "invalid", {})
    _log.error("request failed", request_id=request_id, error=str(error))
    return _response(path, request_id, 500, "the work failed; the server's log says more", "failed", {})


def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    del error  # the edge logs it
    return _response(
        request.url.path,
        request.state.request_id,
        500,
        "internal error; the server's log says more",
        "internal_error",
        {},
    )


def _response(
    path: str,
    request_id: str,
    status: int,
    detail: str,
    code: str,
    headers: Mapping[str, str],
    param: str | None = None,
    errors: list[dict[str, str]] | None = None,
) -> JSONResponse:
    if path.startswith(OPENAI_ROUTES):
        status = 400 if status == 422 else status
        kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        body = OpenAIErrorBody(message=detail, type=kind, param=param, code=code)
        return JSONResponse({"error": body.model_dump()}, status, dict(headers))
    problem = Problem(
        title=_title(status), status=status, detail=detail, code=code, request_id=request_id, errors=errors
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, dict(headers), media_type="application/problem+json"
    )


def _title(status: int) -> str:
    import http

    return http.HTTPStatus(status).phrase
