"""What a request can be refused with: each error carries the HTTP status that says so.

They are the orchestrator's own errors too, so that `orchestrate serve` and `orchestrate keys` end with one
line and an exit code.
"""

from typing import ClassVar

from orchestrator.errors import OrchestratorError


class ServiceError(OrchestratorError):
    """Base of everything this room raises on purpose; `retry_after_s`: when to try again."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadRequest(ServiceError, ValueError):
    """A request that cannot be read: a cursor, a header, a file."""

    status, code, title = 400, "bad_request", "Bad request"


class Unauthorized(ServiceError):
    """No key, an unknown key, or a revoked one; which of them is not said."""

    status, code, title = 401, "invalid_api_key", "Unauthorized"


class Forbidden(ServiceError):
    """A request that nobody may make of this server as it was started."""

    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(ServiceError, LookupError):
    """Nothing of that name, or nothing of the caller's."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(ServiceError):
    """What the state of the task or the vector does not allow."""

    status, code, title = 409, "conflict", "Conflict"


class TooLarge(ServiceError):
    """A body over the limit."""

    status, code, title = 413, "too_large", "Content too large"


class UnsupportedBody(ServiceError):
    """A body in an encoding or of a type that is not read."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Invalid(ServiceError, ValueError):
    """A body that was read and asks for what cannot be done."""

    status, code, title = 422, "invalid", "Unprocessable content"


class Busy(ServiceError):
    """A full queue, or more requests than a key may make."""

    status, code, title = 429, "rate_limit_exceeded", "Too many requests"


class Unavailable(ServiceError):
    """The server is starting or stopping."""

    status, code, title = 503, "unavailable", "Unavailable"


class StoreError(ServiceError):
    """The store cannot be opened, or is of another version."""


class LostClaim(ServiceError):
    """Another worker holds the task now: whoever gets this must write nothing more."""


class BadSetup(ServiceError, ValueError):
    """Settings with which a server cannot be started, or must not."""
