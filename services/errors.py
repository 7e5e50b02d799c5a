"""What a request can be refused with: each error carries the HTTP status that says so.

They are the orchestrator's own errors too, so that `orchestrate serve` and `orchestrate keys` end with one
line and an exit code.
"""

from typing import ClassVar

from orchestrator.errors import OrchestratorError


class ServiceError(OrchestratorError):
    """Base of everything this room raises on purpose; `retry_after_s`: when to try again."""

    status: int = 500
    code: str = "internal_error"
    closes: ClassVar[bool] = False
    """Whether what the client sends from here on is not to be read."""

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Failed(ServiceError):
    """Work that was begun and could not be done."""

    code = "failed"


class BadRequest(ServiceError, ValueError):
    """A request that cannot be read: a cursor, a header, a file."""

    status, code = 400, "bad_request"


class BadFraming(BadRequest):
    """A request of which it is not sure where it ends."""

    closes = True


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


class TooSlow(ServiceError):
    """A body that did not come in time."""

    status, code = 408, "request_timeout"
    closes = True


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


class StoreTrouble(StoreError):
    """The store, or the folder of artifacts and uploads, cannot be used now; `full`: it has no room.

    The reason is for the server's log: it may name addresses and folders.
    """

    status, code = 503, "store_unavailable"

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(
            "the server cannot keep anything now; nothing was changed, so try again", retry_after_s=5
        )
        self.reason = reason
        if full:
            self.status, self.code = 507, "insufficient_storage"


class LostClaim(ServiceError):
    """Another worker holds the task now: whoever gets this must write nothing more."""


class BadSetup(ServiceError, ValueError):
    """Settings with which a server cannot be started, or must not."""
