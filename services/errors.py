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

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadRequest(ServiceError, ValueError):
    """A request that cannot be read: a cursor, a header, a file."""

    status, code = 400, "bad_request"


class Unauthorized(ServiceError):
    """No key, an unknown key, or a revoked one; which of them is not said."""

    status, code = 401, "invalid_api_key"


class Forbidden(ServiceError):
    """A request that nobody may make of this server as it was started."""

    status, code = 403, "forbidden"


class NotFound(ServiceError, LookupError):
    """Nothing of that name, or nothing of the caller's."""

    status, code = 404, "not_found"


class Conflict(ServiceError):
    """What the state of the task or the vector does not allow."""

    status, code = 409, "conflict"


class TooLarge(ServiceError):
    """A body over the limit."""

    status, code = 413, "too_large"


class UnsupportedBody(ServiceError):
    """A body in an encoding or of a type that is not read."""

    status, code = 415, "unsupported_media_type"


class Invalid(ServiceError, ValueError):
    """A body that was read and asks for what cannot be done."""

    status, code = 422, "invalid"


class HeadersTooLarge(ServiceError):
    """Headers over the limit."""

    status, code = 431, "headers_too_large"


class Busy(ServiceError):
    """A full queue, or more requests than a key may make."""

    status, code = 429, "rate_limit_exceeded"


class Unavailable(ServiceError):
    """The server is starting or stopping."""

    status, code = 503, "unavailable"


class StoreError(ServiceError):
    """The store cannot be opened, or is of another version."""


class LostClaim(ServiceError):
    """Another worker holds the task now: whoever gets this must write nothing more."""


class BadSetup(ServiceError, ValueError):
    """Settings with which a server cannot be started, or must not."""
