"""What a Ray cluster adds: an actor that is killed costs nothing, and a node that differs is refused."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.batch.evaluate import evaluate
from orchestrator.batch.ledger import Ledger
from orchestrator.batch.local import LocalExecutor
from orchestrator.batch.parcels import BadParcel, pack, unpack
from orchestrator.batch.units import runs_of
from orchestrator.errors import MixedRunError
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.settings import Settings
from swebench.data.loading import load_instances
from tests.orchestrator.batch.batches import make_tasks, predictions

CONFIG = RunConfig(samples=2)


def silent(*_):
    return None


@pytest.fixture
def session(tmp_path, tiny_model):
    settings = Settings(
        cache=tmp_path / "cache", repos=tmp_path / "data" / "repos", model=str(tiny_model), dtype="float32"
    )
    with Session(settings, progress=silent) as opened:
        yield opened


@pytest.fixture
def found(tmp_path):
    return load_instances(str(make_tasks(tmp_path / "data")))


def ledger_of(session, found, out):
    (run,) = runs_of(session, found, [CONFIG], [out])
    return Ledger(run, list(found.instances), session.facts())


async def done_here(session, found, out):
    """The predictions of the same tasks on this machine, undisturbed."""
    ledger = ledger_of(session, found, out)
    async with LocalExecutor(session, [ledger.run], 2) as executor:
        await evaluate([ledger], [each.task for each in found.instances.values()], executor, silent)
    return predictions(out)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_killed_actor_loses_nothing_and_repeats_nothing_that_was_finished(session, found, tmp_path):
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from orchestrator.batch.ray_cluster import RayExecutor

    tasks = [each.task for each in found.instances.values()]
    ledger, finished = ledger_of(session, found, tmp_path / "out"), []
    async with RayExecutor(session, [], 2, None) as executor:
        victims = [place.pid for place in executor.places]

        def kill_after_each_of_the_first(event):
            if event.kind == "unit_finished":
                finished.append(event.result.instance_id)
                if victims:
                    os.kill(victims.pop(), signal.SIGKILL)

        await evaluate([ledger], tasks, executor, kill_after_each_of_the_first)
    assert not victims
    assert sorted(finished) == sorted(found.instances)
    assert not [result.reason for result in ledger.results.values() if result.reason]
    assert predictions(tmp_path / "out") == await done_here(session, found, tmp_path / "here")
    for name in found.instances:
        assert (tmp_path / "out" / name / "trajectory" / "code_reading-0.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_node_that_is_gone_for_good_loses_nothing_though_no_other_takes_its_place(
    session, found, tmp_path, monkeypatch
):
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from ray.cluster_utils import Cluster

    from orchestrator.batch.ray_cluster import RayExecutor

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1)]
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    ledger = ledger_of(session, found, tmp_path / "out")

    def end_node_after_the_first(event):
        if event.kind == "unit_finished" and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    try:
        async with RayExecutor(session, [], 2, None) as executor:
            assert len(executor.places) == 2
            tasks = [each.task for each in found.instances.values()]
            await evaluate([ledger], tasks, executor, end_node_after_the_first)
    finally:
        cluster.shutdown()
    assert not nodes
    assert not [result.reason for result in ledger.results.values() if result.reason]
    assert predictions(tmp_path / "out") == await done_here(session, found, tmp_path / "here")


@pytest.mark.slow
async def test_a_node_with_another_model_is_refused_by_what_differs(session, found, tmp_path):
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from orchestrator.batch.ray_cluster import RayExecutor

    (run,) = runs_of(session, found, [CONFIG], [tmp_path / "out"])
    other = replace(run, determinants=run.determinants | {"model_digest": "f" * 64})
    ledger = Ledger(other, list(found.instances), session.facts())
    async with RayExecutor(session, [], 1, None) as executor:
        with pytest.raises(MixedRunError, match="model_digest is 'ffff"):
            await evaluate([ledger], [found.get("local__abacus-0").task], executor, silent)
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


async def test_a_cluster_that_is_not_there_is_one_line(session, monkeypatch):
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from orchestrator.batch.ray_cluster import ClusterFailed, RayExecutor

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ClusterFailed, match=r"127\.0\.0\.1:9") as told:
        await RayExecutor(session, [], 1, None).__aenter__()
    assert "\n" not in str(told.value)


async def test_a_cluster_that_lets_nobody_in_without_a_token_is_told_what_to_do(session, monkeypatch):
    ray = pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from orchestrator.batch.ray_cluster import ClusterFailed, RayExecutor

    def refused(**_):
        raise ConnectionError("Failed to connect to Ray cluster")

    monkeypatch.setattr(ray, "init", refused)
    with socket.create_server(("127.0.0.1", 0)) as head:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{head.getsockname()[1]}")
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        with pytest.raises(ClusterFailed, match="set RAY_AUTH_MODE=token"):
            await RayExecutor(session, [], 1, None).__aenter__()
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        with pytest.raises(ClusterFailed, match=r"Ray cluster$"):
            await RayExecutor(session, [], 1, None).__aenter__()


def test_files_arrive_as_they_were_sent(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.md").write_bytes("naïve\r\n".encode())
    (tmp_path / "a" / "link").symlink_to("/etc/hostname")
    unpack(pack(tmp_path / "a"), tmp_path / "c")
    assert [path.relative_to(tmp_path / "c") for path in (tmp_path / "c").rglob("*.md")] == [Path("b/x.md")]
    assert (tmp_path / "c" / "b" / "x.md").read_bytes() == "naïve\r\n".encode()
    assert not (tmp_path / "c" / "link").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x"])
def test_a_file_that_leaves_the_instances_folder_is_refused_before_any_is_written(tmp_path, name):
    with pytest.raises(BadParcel):
        unpack({"fine": b"1", name: b"2"}, tmp_path / "into")
    assert not (tmp_path / "into").exists()
