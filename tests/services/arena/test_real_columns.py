"""On the embedded model in float32 a run's columns are, to the token, what single chats answer."""

import pytest

from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.services.arena.conftest import Runs
from tests.services.conftest import run, until

pytestmark = [pytest.mark.real_model, pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "smollm2-135m"
PROMPT = "How do I start my day well?"
STEERINGS = {
    "baseline": [],
    "zero": ["0·bug_analysis"],
    "bugs": ["40·bug_analysis"],
    "earlier": ["17·bug_analysis@12"],
}


@pytest.fixture(scope="module")
def real(tmp_path_factory, cache_dir):
    settings = Settings(model=MODEL, cache=cache_dir, dtype="float32")
    with Session(settings, progress=lambda *_: None) as session:
        runtime = Runtime(session, ServeSettings(data=tmp_path_factory.mktemp("service"), drain_s=1))
        live = run(runtime)
        runtime.start()
        until(lambda: runtime.models.served or runtime.models.failed)
        yield live
        live.stop()


@pytest.mark.parametrize("sampled", [{"temperature": 0.0}, {"temperature": 0.8, "seed": 16}])
def test_columns_are_what_single_chats_answer_and_strength_0_is_the_baseline(real, sampled):
    columns = [{"name": name, "steering": steering} for name, steering in STEERINGS.items()]
    shown = Runs(real.http).shown(prompt=PROMPT, columns=columns, max_tokens=20, **sampled)
    texts = {}
    for name, steering in STEERINGS.items():
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": 20,
            "steering": steering,
            **sampled,
        }
        answer = real.http.post("/v1/chat/completions", json=body).json()
        texts[name] = answer["choices"][0]["message"]["content"]
    assert {column["name"]: column["text"] for column in shown["columns"]} == texts
    assert shown["self_check"] == {"tokens": 8, "same": True}
    assert shown["columns"][1]["difference"]["same"]
    assert texts["zero"] == texts["baseline"] != texts["bugs"]
    bits = [sum(token["divergence"] for token in column["tokens"]) for column in shown["columns"]]
    assert bits[0] == bits[1] == 0 < bits[2]
