"""`lab neuronpedia` against a server that speaks Neuronpedia's routes, and against an export's folder."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.lab.folder import ExperimentFolder
from orchestrator.lab.neuronpedia import Sampled, map_features
from orchestrator.lab.neuronpedia_client import MissingKey, Neuronpedia, NeuronpediaError, UnknownFeature
from orchestrator.lab.neuronpedia_rows import read_export
from vectors.domains.domain_vector import DomainVector
from vectors.errors import SaeError, UnfitAnalysis
from vectors.lab.sae.decoders import nearest
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import rate

WIDTH, FEATURES = 32, 60


def row(index: int, layer: str = "2-res-8k") -> dict:
    """A feature in Neuronpedia's own field names; every tenth is of dates."""
    draw = torch.Generator().manual_seed(1000 + index)
    return {
        "modelId": "tiny",
        "layer": layer,
        "index": str(index),
        "hasVector": True,
        "vector": torch.randn(WIDTH, generator=draw).tolist(),
        "hookName": "blocks.2.hook_resid_post",
        "maxActApprox": 3.5,
        "frac_nonzero": 0.01,
        "pos_str": [" Monday", " noon"] if index == 5 else [" the"],
        "pos_values": [1.0, 0.5],
        "neg_str": [],
        "explanations": [{"description": "calendar dates"}] if index % 10 == 0 else [],
        "activations": [{"tokens": ["a"], "values": [1.0]}],
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        *_, model, layer, index = self.path.split("/")
        if self.server.trouble:
            return self._answer(*self.server.trouble.pop(0))
        if model != "tiny" or int(index) >= FEATURES:
            return self._answer(404, {"error": "not found"})
        return self._answer(200, row(int(index), layer))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        if self.server.trouble:
            return self._answer(*self.server.trouble.pop(0))
        if self.path == "/api/explanation/search":
            results = [{"description": "names of months", "modelId": "tiny", "neuron": row(7)}]
            return self._answer(200, {"request": body, "results": results, "resultsCount": 1})
        return self._answer(200, {"message": "ok", "vector": {"index": "9"}})

    def _answer(self, code, document, headers=()):
        content = json.dumps(document).encode()
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.asked, serving.trouble = [], []
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def slept():
    return []


@pytest.fixture
def client(server, slept, tmp_path):
    address = f"http://127.0.0.1:{server.server_port}"
    with Neuronpedia(tmp_path, address, sleep=slept.append, clock=lambda: 0.0) as client:
        yield client


SAMPLED = Sampled("tiny", ("2-res-8k", "3-res-8k"), 30, 2)


def vector(seed: int = 4) -> DomainVector:
    """At every layer the direction of feature `seed`, doubled."""
    directions = 2 * torch.tensor(row(seed)["vector"]).repeat(4, 1)
    ones = torch.ones(4)
    return DomainVector("dates", directions, ones, ones, 2, 3.0, {})


def export(folder, features=FEATURES):
    """A source's export as Neuronpedia writes it: in batches, explanations apart."""
    for name in ("release", "model", "sourceset", "source"):
        (folder / f"{name}.jsonl").write_text("{}\n")
    for kind in ("features", "explanations", "activations"):
        (folder / kind).mkdir()
    rows = [row(index) for index in range(features)]
    said = [
        {"modelId": "tiny", "layer": "2-res-8k", "index": each["index"], **one}
        for each in rows
        for one in each.pop("explanations")
    ]
    halves = [rows[: features // 2], rows[features // 2 :]]
    for number, half in enumerate(halves):
        text = "".join(json.dumps(each) + "\n" for each in half)
        (folder / "features" / f"batch-{number}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    text = "".join(json.dumps(each) + "\n" for each in said)
    (folder / "explanations" / "batch-0.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_feature_is_asked_for_once_and_then_read_from_the_disk(client, server):
    first = client.feature("tiny", "2-res-8k", 0)
    assert first.explanations[0].description == "calendar dates"
    assert first.frac_nonzero == 0.01
    assert len(first.vector) == WIDTH
    assert client.feature("tiny", "2-res-8k", 0) == first
    assert [each[0] for each in server.asked] == ["/api/feature/tiny/2-res-8k/0"]


def test_the_key_is_sent_where_there_is_one(client, server, monkeypatch, tmp_path):
    client.feature("tiny", "2-res-8k", 1)
    assert "x-api-key" not in server.asked[0][1]
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "sesame")
    address = f"http://127.0.0.1:{server.server_port}"
    with Neuronpedia(tmp_path, address) as with_key:
        with_key.feature("tiny", "2-res-8k", 2)
    assert server.asked[1][1]["x-api-key"] == "sesame"


def test_what_is_busy_is_asked_again_later_and_as_late_as_it_says(client, server, slept):
    server.trouble += [(429, {}, [("retry-after", "40")]), (503, {}), (500, {})]
    assert client.feature("tiny", "2-res-8k", 3).index == "3"
    assert [each for each in slept if each >= 1] == [40, 2, 4]


def test_it_gives_up_on_what_stays_busy_and_at_once_on_what_is_refused(client, server, slept):
    server.trouble += [(500, {})] * 9
    with pytest.raises(NeuronpediaError, match="500"):
        client.feature("tiny", "2-res-8k", 3)
    asked = len(server.asked)
    assert asked < 9
    server.trouble[:] = [(403, {"error": "no"})]
    with pytest.raises(NeuronpediaError, match="403"):
        client.feature("tiny", "2-res-8k", 3)
    assert len(server.asked) == asked + 1


def test_it_asks_no_faster_than_is_allowed(client, slept):
    for index in range(5):
        client.feature("tiny", "2-res-8k", index)
    assert sum(slept) == pytest.approx((1 + 2 + 3 + 4) * 3600 / 25_000)  # the clock of this test stands still


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 200, "a b", "../../etc"])
def test_no_name_leads_out_of_the_cache_or_into_another_route(client, server, name):
    with pytest.raises(UnknownFeature):
        client.feature(name, "2-res-8k", 0)
    with pytest.raises(UnknownFeature):
        client.feature("tiny", name, 0)
    assert not server.asked


@pytest.mark.parametrize("answer", [[], {"modelId": "tiny"}, {**row(0), "vector": ["a"]}])
def test_an_answer_that_is_no_feature_is_told_and_not_kept(client, server, answer):
    server.trouble += [(200, answer)]
    with pytest.raises(NeuronpediaError, match="no feature"):
        client.feature("tiny", "2-res-8k", 0)
    assert client.feature("tiny", "2-res-8k", 0).index == "0"


def test_density_has_its_interval_and_a_search_none(client):
    found = map_features(client, SAMPLED, ["dates", "Monday"], search=True)
    assert found.density == {"2-res-8k": rate(6, 30), "3-res-8k": rate(6, 30)}
    assert [each.feature for each in found.searched] == ["tiny/2-res-8k/7"] * 2
    assert "no claim" in found.section().text
    every = map_features(client, Sampled("tiny", ("2-res-8k",), 80, 1), ["Monday"])
    assert [(each.feature, each.said) for each in every.matches] == [("tiny/2-res-8k/5", "promotes Monday")]
    assert every.density["2-res-8k"].n == FEATURES  # the source ends there


def test_the_original_s_density_is_two_different_things():
    sampled, chosen = rate(9, 450), rate(115, 163_840)
    assert (round(sampled.value, 3), round(sampled.low, 3), round(sampled.high, 3)) == (0.02, 0.011, 0.038)
    assert round(chosen.value, 4) == 0.0007
    assert chosen.high < sampled.low


def test_a_vector_finds_the_feature_that_it_is(client):
    found = map_features(client, SAMPLED, ["dates"], vector=vector(4), top=3)
    assert {each.feature for each in found.neighbours[:2]} == {"tiny/2-res-8k/4", "tiny/3-res-8k/4"}
    assert found.neighbours[0].cosine == pytest.approx(1)
    assert found.neighbours[0].p == pytest.approx(1 / 201)
    assert found.neighbours[2].p > 0.05
    assert found.decoders == 60


def test_chance_is_that_of_as_many_features():
    draw = torch.Generator().manual_seed(0)
    p = []
    for seed in range(40):
        decoders = torch.randn(500, 16, generator=draw).tolist()
        p.append(nearest(torch.randn(16, generator=draw), decoders, 1, seed)[0].p)
    assert sum(each < 0.05 for each in p) < 7


def test_it_goes_on_to_the_same_bytes_and_publishes_once(client, server, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "sesame")

    def measured(name):
        folder = ExperimentFolder(tmp_path, tmp_path / name)
        found = map_features(client, SAMPLED, ["dates"], vector=vector(), publish="tiny", journal=folder)
        folder.finish(found)
        return found

    whole = measured("whole")
    posted = [each for each in server.asked if each[0] == "/api/vector/new"]
    assert len(posted) == 1
    body = posted[0][2]
    assert {name: body[name] for name in body if name != "vector"} == {
        "modelId": "tiny",
        "layerNumber": 2,
        "hookType": "resid-post",
        "vectorDefaultSteerStrength": 3.0,
        "vectorLabel": "dates",
    }
    assert torch.tensor(body["vector"]).norm() == pytest.approx(1)
    (tmp_path / "whole" / "result.json").rename(tmp_path / "before.json")
    assert measured("whole") == whole
    assert len([each for each in server.asked if each[0] == "/api/vector/new"]) == 1
    assert (tmp_path / "before.json").read_bytes() == (tmp_path / "whole" / "result.json").read_bytes()


def test_nothing_is_published_without_a_key_and_nothing_twice_where_it_failed(client, server, monkeypatch):
    monkeypatch.delenv("NEURONPEDIA_API_KEY", raising=False)
    with pytest.raises(MissingKey, match="NEURONPEDIA_API_KEY"):
        client.publish("tiny", 2, [1.0], "dates", 1.0)
    assert not server.asked
    monkeypatch.setenv("NEURONPEDIA_API_KEY", "sesame")
    server.trouble += [(500, {})]
    with pytest.raises(NeuronpediaError):
        client.publish("tiny", 2, [1.0], "dates", 1.0)
    assert len(server.asked) == 1


def test_an_export_says_the_same_as_the_server(client, tmp_path):
    (tmp_path / "export").mkdir()
    by_export = map_features(
        client, export(tmp_path / "export"), ["dates"], vector=vector(), journal=Journal()
    )
    by_server = map_features(client, Sampled("tiny", ("2-res-8k",), FEATURES, 1), ["dates"], vector=vector())
    assert by_export.density == by_server.density
    assert by_export.matches == by_server.matches
    assert by_export.neighbours == by_server.neighbours


def _replace(folder, content: bytes):
    (folder / "features" / "batch-0.jsonl.gz").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: _replace(f, b"no gzip"), "cannot be read"),
        (lambda f: _replace(f, gzip.compress(b"{}\n")), "line 1"),
        (lambda f: _replace(f, gzip.compress(b"[" * 100_000)), "line 1"),
        (lambda f: _replace(f, gzip.compress(b"0" * (5 << 20))), "too large"),
        (
            lambda f: _replace(f, gzip.compress(json.dumps({**row(0), "vector": [0] * 30_000}).encode())),
            "vector",
        ),
        (lambda f: _replace(f, gzip.compress(b"{}\n" * 9)[:-9]), "line 1|cannot be read"),
    ],
)
def test_an_export_that_is_damaged_or_too_large_is_told_in_a_line(tmp_path, damage, said):
    damage(export(tmp_path))
    with pytest.raises(SaeError, match=said) as told:
        list(read_export(tmp_path))
    assert "\n" not in str(told.value)


def test_an_export_s_link_out_of_its_folder_is_not_followed(tmp_path):
    (tmp_path / "export").mkdir()
    folder = export(tmp_path / "export")
    (tmp_path / "outside.gz").write_bytes(gzip.compress(b"{}"))
    (folder / "features" / "batch-9.jsonl.gz").symlink_to(tmp_path / "outside.gz")
    with pytest.raises(SaeError, match="leads out"):
        list(read_export(folder))


def test_the_command_reads_an_export_and_prints_what_it_found(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "export").mkdir()
    arguments = ["lab", "neuronpedia", "--export", str(export(tmp_path / "export")), "--keyword", "dates"]
    arguments += ["--vector", "calendar", "--model", str(tiny_model), "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(cli, arguments)
    assert ran.exit_code == 0, ran.output
    assert "6 of 60" in ran.output
    assert "nearest to calendar, of 60" in ran.output
    assert (tmp_path / "out" / "figure.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keyword", "date"], "--export"),
        (["--keyword", "date", "--of", "tiny"], "--source"),
        (["--keyword", "date", "--of", "tiny", "--source", "s", "--publish"], "--vector"),
    ],
)
def test_what_is_missing_is_named(arguments, said):
    ran = CliRunner().invoke(cli, ["lab", "neuronpedia", *arguments])
    assert ran.exit_code == 2
    assert said in ran.output


def test_too_short_a_keyword_is_refused(client):
    with pytest.raises(UnfitAnalysis, match="three letters"):
        map_features(client, SAMPLED, ["at"])
