"""How many chat requests are taken in at once, by number and by tokens; what is above is refused."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import Busy


class Gate:
    """Safe from any thread."""

    def __init__(self, most_requests: int, most_tokens: int) -> None:
        self._most_requests, self._most_tokens = most_requests, most_tokens
        self.requests = self.tokens = 0
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, tokens: int) -> Iterator[None]:
        """Hold a place for a request of so many tokens, prompt and answer. Raises Busy."""
        with self._lock:
            if self.requests >= self._most_requests or (
                self.requests and self.tokens + tokens > self._most_tokens
            ):
                raise Busy(
                    f"{self.requests} chat requests of {self.tokens} tokens are in hand "
                    f"({self._most_requests} and {self._most_tokens} at most); try again",
                    retry_after_s=1 + self.requests // 16,
                )
            self.requests += 1
            self.tokens += tokens
        try:
            yield
        finally:
            with self._lock:
                self.requests -= 1
                self.tokens -= tokens
