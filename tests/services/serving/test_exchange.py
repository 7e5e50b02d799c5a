"""One model in memory, exchanged for another by an operator; tasks and chats know which one they had."""

import gc
import shutil
import threading
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.services.conftest import INSTANCE, held, run, until
from vectors.errors import ModelUnavailable

OTHER = "tiny-other"
TURNS = [{"role": "user", "content": "Why?"}]


@pytest.fixture(scope="module")
def other_model(tiny_model, tmp_path_factory):
    """The tiny model with other weights, under another name."""
    folder = tmp_path_factory.mktemp("other") / OTHER
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / "model.safetensors")
    noise = torch.Generator().manual_seed(1)
    save_file(
        {name: each + 0.05 * torch.randn(each.shape, generator=noise) for name, each in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    return folder


@pytest.fixture
def two(tiny_model, other_model, tmp_path, tmp_path_factory, script):
    """A server of the tiny model that may load another one, and one that is nowhere."""
    cache = tmp_path_factory.getbasetemp() / "two-models"
    settings = Settings(model=str(tiny_model), cache=cache, dtype="float32")
    with Session(settings, progress=lambda *_: None) as session:
        listed = (str(other_model), str(tmp_path / "nowhere"))
        chosen = ServeSettings(data=tmp_path / "service", drain_s=1, models=listed)
        runtime = Runtime(session, chosen, solve=script)
        live = run(runtime)
        runtime.start()
        until(lambda: runtime.models.served)
        yield live
        script.gate.set()
        live.stop()


def exchange(live, name=OTHER, **fields):
    answer = live.http.put("/v1/model", json={"model": name, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()


def ready(live):
    return until(lambda: state if (state := live.http.get("/v1/model").json())["state"] == "ready" else None)


def chat(live, model):
    body = {"model": model, "messages": TURNS, "max_tokens": 8, "temperature": 0}
    return live.http.post("/v1/chat/completions", json=body)


def test_another_model_takes_the_place_of_the_first_and_answers_say_which_it_was(two):
    first = chat(two, "tiny-llama").json()
    exchange(two)
    state = ready(two)
    assert (state["model"], state["error"]) == (OTHER, None)
    second = chat(two, OTHER).json()
    assert second["model"] == OTHER
    assert second["system_fingerprint"] != first["system_fingerprint"]
    assert second["system_fingerprint"] == state["digest"][:16]
    assert chat(two, "tiny-llama").status_code == 404
    assert [model["id"] for model in two.http.get("/v1/models").json()["data"]] == [OTHER]
    exchange(two, "tiny-llama")
    ready(two)
    again = chat(two, "tiny-llama").json()
    assert again["choices"] == first["choices"]
    assert again["system_fingerprint"] == first["system_fingerprint"]


def test_a_running_task_ends_first_and_one_that_waits_for_the_other_model_runs_after(two, script):
    with held(script):
        first = two.create()
        two.wait(first["id"], "running")
        exchange(two)
        second = two.create()
        third = two.create({**INSTANCE, "model": "tiny-llama"})
        assert second["model"] == OTHER
        assert chat(two, "tiny-llama").status_code == 200
        assert two.http.get("/v1/model").json()["waiting"] == {OTHER: 1, "tiny-llama": 1}
    assert two.wait(first["id"], "completed")["model"] == "tiny-llama"
    assert two.wait(second["id"], "completed")["model"] == OTHER
    assert two.http.get(f"/v1/tasks/{third['id']}").json()["state"] == "queued"
    exchange(two, "tiny-llama")
    two.wait(third["id"], "completed")


def test_a_task_that_takes_too_long_is_given_back_and_goes_on_when_its_model_is_there_again(two, script):
    with held(script):
        task = two.create()
        until(lambda: script.begun)
        exchange(two, wait_s=0)
        ready(two)
        assert two.http.get(f"/v1/tasks/{task['id']}").json()["state"] == "queued"
    exchange(two, "tiny-llama")
    two.wait(task["id"], "completed")
    assert script.begun == [task["id"]] * 2


def test_a_model_that_cannot_be_had_leaves_the_first_one_in_place_and_says_so(two):
    exchange(two, "nowhere")
    state = ready(two)
    assert state["model"] == "tiny-llama"
    assert state["error"].startswith("nowhere could not be loaded: ")
    assert chat(two, "tiny-llama").status_code == 200
    two.wait(two.create()["id"], "completed")


def test_a_model_that_fails_while_it_is_loaded_brings_the_first_one_back(
    two, other_model, tmp_path, monkeypatch
):
    def broken(*_, **__):
        monkeypatch.undo()
        raise ModelUnavailable("the weights\nare torn")

    monkeypatch.setattr("vectors.models.loading.load_model", broken)
    exchange(two)
    state = ready(two)
    assert (state["model"], state["error"]) == (
        "tiny-llama",
        f"{OTHER} could not be loaded: the weights are torn",
    )
    assert chat(two, "tiny-llama").status_code == 200


def test_while_a_model_is_loaded_chats_are_told_when_to_come_back_and_tasks_wait(two, monkeypatch):
    from vectors.models import loading as models

    load, entered, go_on = models.load_model, threading.Event(), threading.Event()
    assert chat(two, "tiny-llama").status_code == 200
    first, kept = weakref.ref(two.session.model.model), []

    def slow(*args, **kwargs):
        kept.append(first())
        entered.set()
        go_on.wait()
        return load(*args, **kwargs)

    monkeypatch.setattr("vectors.models.loading.load_model", slow)
    exchange(two)
    entered.wait()
    refused = chat(two, OTHER)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert two.http.get("/ready").status_code == 503
    assert two.http.put("/v1/model", json={"model": "tiny-llama"}).status_code == 503
    task = two.create()
    go_on.set()
    assert two.wait(task["id"], "completed")["model"] == OTHER
    assert two.http.get("/ready").status_code == 200
    assert kept == [None]  # one at a time: the first was gone when the other came


def test_only_an_operators_key_may_exchange_the_model_and_only_for_a_listed_one(two):
    _, ada = two.runtime.store.keys.create("ada")
    _, boss = two.runtime.store.keys.create("boss", operator=True)
    bearers = [{"Authorization": f"Bearer {key}"} for key in (ada, boss)]
    answers = [two.http.put("/v1/model", json={"model": OTHER}, headers=each).status_code for each in bearers]
    assert answers == [403, 202]
    until(lambda: two.http.get("/v1/model", headers=bearers[0]).json()["state"] == "ready")
    for name in ("gpt-2", "../tiny-llama", "/etc/passwd"):
        answer = two.http.put("/v1/model", json={"model": name}, headers=bearers[1])
        assert answer.status_code == 422
    assert (
        two.http.post("/v1/tasks", json={**INSTANCE, "model": "gpt-2"}, headers=bearers[0]).status_code == 422
    )


def test_a_second_exchange_waits_for_the_first(two, script):
    with held(script):
        task = two.create()
        two.wait(task["id"], "running")
        exchange(two)
        answer = two.http.put("/v1/model", json={"model": "tiny-llama"})
        assert answer.status_code == 409
    ready(two)


def test_no_exchange_leaves_a_thread_or_a_handle_behind(two):
    def held():
        """Threads but the server's own pool, which grows as it is used, and open files."""
        gc.collect()
        threads = [each.name for each in threading.enumerate() if "AnyIO" not in each.name]
        return sorted(threads), len(list(Path("/proc/self/fd").iterdir()))

    def there_and_back():
        for name in (OTHER, "tiny-llama"):
            two.wait(two.create()["id"], "completed")
            exchange(two, name)
            ready(two)

    there_and_back()
    until(lambda: "model-loader" not in held()[0])
    threads, files = held()
    rounds = 4
    for _ in range(rounds):
        there_and_back()
    until(lambda: held()[0] == threads)
    # Fewer than one for each exchange: connections to the store come to its pool whenever two meet.
    assert held()[1] < files + 2 * rounds


def test_the_memory_that_the_server_and_its_cache_take_is_told(live):
    told = live.http.get("/v1/model").json()["memory"]
    stats = live.runtime.models.serving().engine.stats()
    assert 0 <= told["cache_bytes"] <= told["cache_bytes_at_most"]
    assert told["cache_bytes_at_most"] == stats.cache_tokens * stats.token_bytes
    assert told["resident_bytes"] is None or told["resident_bytes"] > 50e6, "torch alone takes more"
