"""Connections of clients that are slow, many or gone: limits of time and number around uvicorn's protocol.

A client must send its headers in time and take what it is sent. Where too many are connected, in all or from
one address, the one that has waited longest without a request in hand makes room, so that a flood of those
pushes itself out. A client that has closed its own half still gets its answer.
"""

import asyncio
import json
import resource
import socket
import sys
from collections import Counter, OrderedDict
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0
"""From the first byte, or the connection, to the end of the headers."""
IDLE_S = 15
"""Between requests."""
TAKEN_S = 60.0
"""In which a client must have taken what waits for it: 64 KiB at the most."""
_PROBES_S = (0.0, 0.1, 1.0, 5.0)
BACKLOG = 512
"""Connections that wait to be taken in; so many are at once, before any of them can be refused."""
_SPARE_FILES = 2 * BACKLOG
"""Descriptors for those, the store, repositories and artifacts."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def listen(host: str, port: int = 0) -> socket.socket:
    """Listen at an address, port 0 for any that is free. Raises OSError.

    asyncio leaves the sockets of such a listener without TCP_NODELAY: the end of each answer would wait for
    the client's acknowledgement of its beginning, which takes 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # whom it accepts has what it has
    return listening


class Connections:
    """Those of one server: `most` in all, `most_each` of an address, where there are as many descriptors."""

    def __init__(self, most: int, most_each: int) -> None:
        files = _descriptors()
        self._most = min(most, files - min(_SPARE_FILES, files // 2))
        self._most_each = min(most_each, max(1, self._most - self._most // 8))
        self._of: Counter[str] = Counter()
        self._waiting: OrderedDict[Guarded, None] = OrderedDict()

    def admit(self, new: "Guarded") -> bool:
        """Count a connection in; False where there is no room for it."""
        if self._of[new.address] >= self._most_each and not self._make_room(new.address):
            return False
        if self._of.total() >= self._most and not self._make_room(None):
            return False
        self._of[new.address] += 1
        self._waiting[new] = None
        return True

    def waits(self, connection: "Guarded") -> None:
        """It has no request in hand from now on."""
        self._waiting[connection] = None

    def works(self, connection: "Guarded") -> None:
        """It has a request in hand."""
        self._waiting.pop(connection, None)

    def leaves(self, connection: "Guarded") -> None:
        """It is gone."""
        self._waiting.pop(connection, None)
        self._of[connection.address] -= 1
        if not self._of[connection.address]:
            del self._of[connection.address]

    def _make_room(self, address: str | None) -> bool:
        """Close the connection, of an address or of any, that has waited longest."""
        oldest = next((each for each in self._waiting if address in (None, each.address)), None)
        if oldest is None:
            return False
        oldest.give_up()
        return True


class Guarded(H11Protocol):
    """uvicorn's protocol with these limits."""

    def __init__(self, connections: Connections, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._connections = connections
        self.address = ""
        self._admitted = self._half_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or say that there are too many."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._admitted = self._connections.admit(self)
        if self._admitted:
            self._limit_headers()
        else:
            self._refuse(503, "there are too many connections; try again", retry_after_s=1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._cancel_timers()
        self._leave()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Make room for another."""
        self._leave()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in bytes; from the first to the end of the headers there is a limit."""
        if not self._admitted:
            return
        super().data_received(data)
        self._note()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the other half open while a request is in hand, and see whether anybody is still there."""
        if self._busy and not self.cycle.more_body:
            self._half_closed = True
            self._probe(0)
            return True
        return False

    def on_response_complete(self) -> None:
        """Wait for the next request, or end with a client that sends no more."""
        if self._admitted:
            self._connections.waits(self)
        super().on_response_complete()
        if self._half_closed and not self._busy:
            self.transport.close()
        self._note()

    def pause_writing(self) -> None:
        """The client takes nothing: it has so long to take what is there."""
        super().pause_writing()
        self._taking = self.loop.call_later(TAKEN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken it."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; h11's error, which is being handled, says how."""
        if self._busy:
            self.transport.close()
            return
        error = sys.exception()
        assert isinstance(error, h11.RemoteProtocolError)
        self._refuse(error.error_status_hint, f"{msg} {error}")

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _note(self) -> None:
        """Whether a request is in hand, or its headers are due."""
        if self._busy:
            self._connections.works(self)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        # What is left of a body that was refused before it had come must come in time as well.
        due = bool(self.conn.trailing_data[0]) or self.conn.their_state is h11.SEND_BODY
        if due and self._timer is None:
            self._limit_headers()
        elif not due and self._timer is not None and self.cycle is not None:
            self._timer.cancel()
            self._timer = None

    def _limit_headers(self) -> None:
        self._timer = self.loop.call_later(HEADERS_S, self._too_late)

    def _too_late(self) -> None:
        if self.conn.trailing_data[0] and self.conn.their_state is h11.IDLE:
            self._refuse(408, f"the headers did not come within {HEADERS_S:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str, *, retry_after_s: int | None = None) -> None:
        """Answer outside of any request, as one problem, and close."""
        phrase = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
        body = json.dumps(problem).encode()
        lines = [f"HTTP/1.1 {status} {phrase}", "content-type: application/problem+json", "connection: close"]
        lines += [f"content-length: {len(body)}"]
        lines += [f"retry-after: {retry_after_s}"] if retry_after_s is not None else []
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def _probe(self, number: int) -> None:
        """Send what every client passes over; one that is gone resets the connection and ends the request."""
        if not self._busy or self.cycle.response_started or self.transport.is_closing():
            return
        if self.conn.their_http_version == b"1.1":
            self.transport.write(_CONTINUE)
        delay = _PROBES_S[min(number + 1, len(_PROBES_S) - 1)]
        self.loop.call_later(delay, self._probe, number + 1)

    def _leave(self) -> None:
        if self._admitted:
            self._admitted = False
            self._connections.leaves(self)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._taking):
            if timer is not None:
                timer.cancel()


def _descriptors() -> int:
    """How many files this process may have open; as many as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft if soft != resource.RLIM_INFINITY else 1 << 20
