"""How errors look: RFC 9457 problems, and OpenAI's envelope under the routes that its client calls.

What a request held is never repeated in an error.
"""

import errno
from collections.abc import Mapping

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, JsonValue, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from orchestrator.errors import OrchestratorError
from retrieval.errors import RetrievalError
from services.errors import Failed, Invalid, ServiceError, StoreTrouble, UnsupportedBody
from swebench.errors import SwebenchError
from vectors.errors import VectorsError

OPENAI_ROUTES = (
    "/v1/chat/",
    "/v1/completions",
    "/v1/responses",
    "/v1/models",
    "/tokenize",
    "/detokenize",
)
_OF_ROOMS = (OrchestratorError, RetrievalError, SwebenchError, VectorsError)
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")
_PLAINLY = {"extra_forbidden": "it is not known here; leave it out"}
"""What pydantic says of programs, said of requests."""
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
    if error.closes:
        headers["Connection"] = "close"
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(path, request_id, error.status, str(error.args[0]), error.code, headers)


def install(app: FastAPI) -> None:
    """Answer every error of an app in these forms."""
    for kind in (ServiceError, OSError, *_OF_ROOMS, Exception):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def _told(request: Request, error: Exception) -> JSONResponse:
    request_id = request.state.request_id
    return error_response(request.url.path, request_id, said_of(error, request_id))


def said_of(error: Exception, request_id: str) -> ServiceError:
    """What a caller is told of an error: of other rooms' what is wrong with the input, and of no other error
    its words, which may name folders; those go to the log. Whoever calls logs what nobody raised on purpose.
    """
    if isinstance(error, OSError):  # a full or broken disk, a folder that cannot be written to
        error = StoreTrouble(str(error), full=error.errno in (errno.ENOSPC, errno.EDQUOT))
    if isinstance(error, StoreTrouble):
        _log.error("no storage", request_id=request_id, reason=error.reason)
    if isinstance(error, ServiceError):
        return error
    if not isinstance(error, _OF_ROOMS):
        return ServiceError(f"internal error; {found_by(request_id)}")
    if isinstance(error, ValueError | LookupError):
        return Invalid(str(error.args[0]))
    _log.error("request failed", request_id=request_id, exc_info=error)
    return Failed(f"the work failed; {found_by(request_id)}")


def complaints(error: ValidationError | RequestValidationError) -> list[dict[str, str]]:
    """What is wrong with an input, and where; never what it held."""
    return [
        {
            "where": ".".join(map(str, each["loc"])),
            "message": _PLAINLY.get(each["type"], each["msg"].removeprefix("Value error, ")),
        }
        for each in error.errors()[:20]
    ]


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = complaints(error)
    first = found[0]
    if first["where"] == "body" and error.errors()[0]["type"] != "missing" and not _is_json(request):
        given = request.headers.get("content-type", "")
        said = f"not {given[:100]!r}" if given else "and this one has none"
        return _told(request, UnsupportedBody(f"a body needs the Content-Type application/json, {said}"))
    where = first["where"].removeprefix("body").removeprefix(".")
    detail = f"{where}: {first['message']}" if where else first["message"]
    return _response(
        request.url.path, request.state.request_id, 422, detail, "invalid", {}, where or None, found
    )


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


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
    taken = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": _answered(method)})[0] is Match.FULL for route in routes
        )
    ]
    return ", ".join(taken)


def _answered(method: str) -> str:
    """HEAD is GET without its body; the edge sees to that."""
    return "GET" if method == "HEAD" else method


def found_by(request_id: str) -> str:
    """Where an operator finds what went wrong."""
    return f"the server's log says more under the request id {request_id}"


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
