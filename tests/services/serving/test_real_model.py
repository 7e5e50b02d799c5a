"""The whole with the embedded model: a task over HTTP, and OpenAI's own client with and without steering."""

import openai
import pytest

from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.services.conftest import run, sse, until

pytestmark = [pytest.mark.real_model, pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "smollm2-135m"


@pytest.fixture(scope="module")
def real(tmp_path_factory, cache_dir):
    settings = Settings(model=MODEL, cache=cache_dir)
    with Session(settings, progress=lambda *_: None) as session:
        runtime = Runtime(session, ServeSettings(data=tmp_path_factory.mktemp("service"), drain_s=1))
        live = run(runtime)
        runtime.start()
        until(lambda: runtime.models.served or runtime.models.failed)
        yield live
        live.stop()


def test_the_openai_client_streams_with_and_without_steering(real):
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)

    def told(**extra):
        chunks = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "What is a unit test?"}],
            temperature=0,
            max_tokens=16,
            stream=True,
            extra_body=extra,
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    plain, moved = told(), told(steering={"domain": "bug_analysis"})
    assert plain
    assert moved
    assert plain != moved


def test_a_bundled_task_is_solved_over_http(real):
    task = real.create({"instance_id": "harborlab__tidetable-23", "samples": 1})
    frames = sse(real.http.get(f"/v1/tasks/{task['id']}/events").text)
    kinds = {kind for _, kind, _ in frames}
    assert {"node_started", "decision", "retrieved", "tokens", "candidate", "result"} <= kinds
    patch = real.http.get(f"/v1/tasks/{task['id']}/patch")
    assert patch.text.startswith("diff --git a/tidetable/stats.py")
    nodes = real.http.get(f"/v1/tasks/{task['id']}/trajectory").json()["nodes"]
    names = [node["name"] for node in nodes]
    assert names == ["code_reading", "retrieve", "bug_analysis", "patch_writing", "validate"]
