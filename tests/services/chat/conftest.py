"""OpenAI's own client of a server that runs."""

import openai
import pytest


@pytest.fixture
def client(live):
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        yield client
