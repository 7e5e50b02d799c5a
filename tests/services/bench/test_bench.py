"""`orchestrate bench serve` as a user meets it, on a tiny model."""

import json

import pytest

from orchestrator.cli import main
from services.bench.loopback import Client
from services.errors import ServiceError


def test_the_rows_are_measured_through_a_server_and_are_the_only_thing_on_stdout(
    capsys, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as ended:
        main(["bench", "serve", "--model", str(tiny_model), "--repeats", "1", "--json"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in document["rows"]}
    assert list(rows) == [
        "mixed16_vs_one_by_one",
        "http_share_of_first_token",
        "http_added_ms_to_first_token",
        "columns3_vs_one_by_one",
        "columns3_first_token_vs_one_steered",
    ]
    assert all(rows[name]["value"] > 0 for name in rows if "_vs_" in name)
    assert {row["n"] for row in rows.values()} == {1}
    assert not (tmp_path / "service").exists()


def test_a_request_that_is_refused_ends_the_benchmark(live):
    client = Client(int(live.url.rsplit(":", 1)[1]))
    with pytest.raises(ServiceError, match="404"):
        client.tokens({"model": "gpt-2", "messages": [{"role": "user", "content": "x"}]})
