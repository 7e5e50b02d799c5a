"""`orchestrate mcp` as a process that another agent starts, with the protocol's own client on its streams."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from mcp import Client, StdioServerParameters

from orchestrator.cli import main
from services.settings import BODY_BYTES
from tests.orchestrator.conftest import PROBLEM, git
from tests.services.mcp.conftest import ENDLESS

COMMAND = [sys.executable, "-c", "from orchestrator.cli import main; main()", "mcp"]
TURNS = [{"role": "user", "content": "Why?"}]


@pytest.fixture
def place(tmp_path, tiny_model, project, tmp_path_factory):
    """The folder that the process is started in, and the repository that it may be asked about."""
    folder = tmp_path / "place"
    folder.mkdir()
    cache = tmp_path_factory.getbasetemp() / "tools-cache"
    settings = f'model = "{tiny_model}"\ncache = "{cache}"\ndtype = "float32"\n'
    (folder / "orchestrate.toml").write_text(settings)
    return folder


def started(place, project):
    words = [*COMMAND, "--repo", str(project)]
    return StdioServerParameters(command=words[0], args=words[1:], cwd=place, env={**os.environ})


def temporary(place):
    return [each.name for each in place.iterdir() if each.name != "orchestrate.toml"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_finds_files_chats_and_solves(place, project, mode):
    commit, told = git(project, "rev-parse", "HEAD"), []

    async def hear(progress, total, message):
        told.append(message)

    question = {"repository": "abacus", "commit": commit, "problem_statement": PROBLEM}
    async with Client(started(place, project), mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        files = await client.call_tool("retrieve_files", question)
        chat = await client.call_tool(
            "chat",
            {"messages": TURNS, "max_tokens": 4, "steering": {"domain": "bug_analysis"}},
            progress_callback=hear,
        )
        solved = await client.call_tool(
            "solve_task", {**question, "edits": 0, "retries": 0}, progress_callback=hear
        )
    assert names == ["retrieve_files", "solve_task", "grade_patch", "chat"]
    assert files.structured_content["hits"][0]["path"].startswith("abacus/")
    assert chat.structured_content["usage"]["completion_tokens"] <= 4
    assert chat.structured_content["steering"][0]["layer"] is not None
    assert solved.structured_content["status"] in ("patched", "no_patch")
    assert {"retrieve", "validate"} <= {each.partition(":")[0] for each in told}
    assert temporary(place) == []


@pytest.mark.slow
async def test_a_cancelled_call_makes_room_for_the_next(place, project):
    begun = asyncio.Event()

    async def hear(progress, total, message):
        if total:  # it writes
            begun.set()

    async with Client(started(place, project)) as client:
        asking = asyncio.create_task(
            client.call_tool("chat", {"messages": TURNS, **ENDLESS}, progress_callback=hear)
        )
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        answer = await client.call_tool("chat", {"messages": TURNS, "max_tokens": 2})
    assert answer.structured_content["usage"]["completion_tokens"] <= 2


def process(place, **streams):
    return subprocess.Popen(
        COMMAND, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def greeted(process):
    """Once it answers."""
    process.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert process.stdout.readline()
    return process


@pytest.mark.slow
def test_it_ends_with_its_streams_and_when_it_is_told_to(place):
    closed = greeted(process(place))
    assert closed.communicate()[1] == ""
    assert closed.returncode == 0
    told = greeted(process(place))
    told.send_signal(signal.SIGTERM)
    assert told.wait() == 0
    assert temporary(place) == []


@pytest.mark.slow
def test_a_message_over_the_limit_ends_it(place):
    flooded = greeted(process(place))
    with suppress(BrokenPipeError):
        flooded.stdin.write("x" * (BODY_BYTES + (1 << 17)) + "\n")
    said = flooded.communicate()[1]
    assert f"a message is larger than {BODY_BYTES} bytes" in said
    assert flooded.returncode == 1


def refused(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["mcp", *words])
    assert left.value.code == 2
    return capsys.readouterr().err.strip()


def test_without_the_package_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    line = refused(capsys)
    assert line.endswith("which is not installed: pip install 'steered-orchestrator[mcp]'")
    assert "\n" not in line


def test_what_is_wrong_with_its_use_is_said_at_once(capsys, tmp_path):
    assert "--host and --port are of --http" in refused(capsys, "--port", "1")
    assert "no model 'nosuch'" in refused(capsys, "--model", "nosuch")
    odd = tmp_path / "my project"
    odd.mkdir()
    assert "no call can name 'my project'" in refused(capsys, "--repo", str(odd))
    plain = tmp_path / "plain"
    plain.mkdir()
    assert "the setting serve.repositories.plain" in refused(capsys, "--repo", str(plain))
    twin = tmp_path / "twin" / "plain"
    twin.mkdir(parents=True)
    assert "is called plain already" in refused(capsys, "--repo", str(plain), "--repo", str(twin))
