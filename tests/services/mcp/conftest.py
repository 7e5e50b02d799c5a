"""A real server with the tools at /mcp, and the protocol's own client."""

from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from services.mcp.door import Door


@pytest.fixture
def tools(serving, project):
    """Starts servers that have the tools too; their one repository is `abacus`."""

    def start(**settings):
        return serving(doors=lambda runtime: [Door(runtime)], repositories={"abacus": project}, **settings)

    return start


@asynccontextmanager
async def client_of(live, key=None, mode="auto", heard=lambda _: None):
    """A client over HTTP, of the newest version of the protocol or of those before it (`legacy`)."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def hear(response):
        heard(response)

    hooks = {"response": [hear]}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=None, event_hooks=hooks) as http,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


ENDLESS = {"max_tokens": 12_000, "temperature": 0}
"""Of a chat whose likeliest tokens go round and round, and never come to an end."""


def said(answer):
    """The one sentence that a call was refused with."""
    assert answer.is_error
    (text,) = answer.content
    return text.text
