"""What a Ray cluster adds: an actor that is killed costs nothing, and a node that differs is refused."""

import asyncio
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
from orchestrator.session import Session, machine_facts
from orchestrator.settings import Settings
from swebench.data.loading import load_instances
from tests.orchestrator.batch.batches import make_tasks, predictions

CONFIG = RunConfig(samples=2)


def silent(*_):
    return None


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("batches")


@pytest.fixture(scope="module")
def session(place, tiny_model):
    settings = Settings(
        cache=place / "cache", repos=place / "data" / "repos", model=str(tiny_model), dtype="float32"
    )
    with Session(settings, progress=silent) as opened:
        yield opened


@pytest.fixture(scope="module")
def found(place):
    return load_instances(str(make_tasks(place / "data")))


def ledger_of(session, found, out):
    (run,) = runs_of(session, found, [CONFIG], [out])
    return Ledger(run, list(found.instances), machine_facts())


@pytest.fixture(scope="module")
def undisturbed(session, found, place):
    """The predictions of the same tasks on this machine."""
    ledger = ledger_of(session, found, place / "here")
    executor = LocalExecutor(session, [ledger.run], 2)
    asyncio.run(evaluate([ledger], [each.task for each in found.instances.values()], executor, silent))
    return predictions(place / "here")


@pytest.fixture(scope="module")
def nodes():
    """A cluster on this machine, whose head has one processor."""
    pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(nodes, monkeypatch):
    """The head and a node beside it."""
    if not nodes.worker_nodes:
        nodes.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    return nodes


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_killed_actor_loses_nothing_and_repeats_nothing_that_was_finished(
    session, found, undisturbed, tmp_path, cluster
):
    from orchestrator.batch.ray_cluster import RayExecutor

    tasks = [each.task for each in found.instances.values()]
    ledger, finished, killed = ledger_of(session, found, tmp_path / "out"), [], []
    executor = RayExecutor(session, [], 2, None)

    def kill_after_each_of_the_first(event):
        if event.kind == "unit_finished":
            finished.append(event.result.instance_id)
            if len(killed) < 2:
                killed.append(executor.places[len(killed)].pid)
                os.kill(killed[-1], signal.SIGKILL)

    await evaluate([ledger], tasks, executor, kill_after_each_of_the_first)
    assert len(set(killed)) == 2
    assert sorted(finished) == sorted(found.instances)
    assert not [result.reason for result in ledger.results.values() if result.reason]
    assert predictions(tmp_path / "out") == undisturbed
    for name in found.instances:
        assert (tmp_path / "out" / name / "trajectory" / "code_reading-0.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_node_that_is_gone_for_good_loses_nothing_though_no_other_takes_its_place(
    session, found, undisturbed, tmp_path, cluster
):
    from orchestrator.batch.ray_cluster import RayExecutor

    ledger = ledger_of(session, found, tmp_path / "out")
    executor, ended = RayExecutor(session, [], 2, None), []

    def end_node_after_the_first(event):
        if event.kind == "unit_finished" and not ended:
            assert len(executor.places) == 2
            ended.extend(cluster.worker_nodes)
            cluster.remove_node(ended[0], allow_graceful=False)

    tasks = [each.task for each in found.instances.values()]
    await evaluate([ledger], tasks, executor, end_node_after_the_first)
    assert len(ended) == 1
    assert not [result.reason for result in ledger.results.values() if result.reason]
    assert predictions(tmp_path / "out") == undisturbed


@pytest.mark.slow
async def test_a_node_with_another_model_is_refused_by_what_differs(session, found, tmp_path, cluster):
    from orchestrator.batch.ray_cluster import RayExecutor

    (run,) = runs_of(session, found, [CONFIG], [tmp_path / "out"])
    other = replace(run, determinants=run.determinants | {"model_digest": "f" * 64})
    ledger = Ledger(other, list(found.instances), machine_facts())
    executor = RayExecutor(session, [], 1, None)
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


async def test_without_an_address_a_cluster_of_ones_own_is_started_and_no_time_out_is_a_traceback(
    session, monkeypatch
):
    ray = pytest.importorskip("ray", reason="the optional extra ray is not installed")
    from orchestrator.batch.ray_cluster import ClusterFailed, RayExecutor

    asked = []

    def timed_out(address, **_):
        asked.append(address)
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", timed_out)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ClusterFailed, match="Ray cannot be started here: The current node timed out"):
        await RayExecutor(session, [], 1, None).__aenter__()
    assert asked == ["local"]


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
