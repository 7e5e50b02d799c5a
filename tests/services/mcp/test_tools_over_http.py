"""The tools as another agent calls them, with the protocol's own client over real HTTP."""

import asyncio
import json
import subprocess
import threading

import httpx2
import pytest
from mcp import MCPError

from services.mcp.toolbox import TOOLS
from swebench.data.loading import load_instances
from swebench.running.stopping import ended_in_time
from tests.orchestrator.conftest import git
from tests.services.conftest import INSTANCE, held, until
from tests.services.mcp.conftest import ENDLESS, client_of, said

TURNS = [{"role": "user", "content": "Why?"}]
FOUR = ["retrieve_files", "solve_task", "grade_patch", "chat"]
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


def question(project, statement="mean fails for an empty list"):
    commit = git(project, "rev-parse", "HEAD")
    return {"repository": "abacus", "commit": commit, "problem_statement": statement}


@both_eras
async def test_the_tools_say_what_they_take_and_give(tools, mode):
    async with client_of(tools(), mode=mode) as client:
        listed = (await client.list_tools()).tools
    assert [tool.name for tool in listed] == FOUR
    for tool in listed:
        assert tool.input_schema["type"] == "object"
        assert not {"oneOf", "anyOf", "allOf"} & tool.input_schema.keys()
        assert tool.output_schema["type"] == "object"
        written = json.dumps(tool.input_schema)
        assert all(f"#/$defs/{name}" in written for name in tool.input_schema.get("$defs", ()))


@both_eras
async def test_a_chat_is_that_of_the_route_steered_alike(tools, mode):
    live, told = tools(), []
    steering = {"domain": "bug_analysis", "alpha": 3.0}
    asked = {"messages": TURNS, "max_tokens": 9, "seed": 5, "steering": steering}

    async def hear(progress, total, message):
        told.append((progress, total, message))

    async with client_of(live, mode=mode) as client:
        answer = await client.call_tool("chat", asked, progress_callback=hear)
    body = {"model": "tiny-llama", **asked}
    over_http = await asyncio.to_thread(live.http.post, "/v1/chat/completions", json=body)
    found, expected = answer.structured_content, over_http.json()
    assert json.loads(answer.content[0].text) == found
    assert found["choices"] == expected["choices"]
    assert found["steering"] == expected["steering"]
    assert found["steering"][0]["alpha"] == 3.0
    assert [reached for reached, _, _ in told] == sorted({reached for reached, _, _ in told})
    assert {total for _, total, _ in told} == {9}
    assert "".join(message for _, _, message in told) == found["choices"][0]["message"]["content"]


async def test_files_are_ranked_as_the_command_does(tools, project):
    async with client_of(tools()) as client:
        own = await client.call_tool("retrieve_files", {**question(project), "top": 1})
        bundled = await client.call_tool("retrieve_files", INSTANCE)
    assert [hit["path"] for hit in own.structured_content["hits"]] == ["abacus/calc.py"]
    assert "mean" in [each["name"] for each in own.structured_content["definitions"]]
    assert len(bundled.structured_content["hits"]) == 10


@both_eras
async def test_a_task_is_followed_to_its_patch_and_stays_in_the_store(tools, mode):
    live, told = tools(), []

    async def hear(progress, total, message):
        told.append((progress, message))

    async with client_of(live, mode=mode) as client:
        answer = await client.call_tool("solve_task", INSTANCE, progress_callback=hear)
    solved = answer.structured_content
    assert solved["status"] == "patched"
    assert solved["patch"] == "diff --git a/é.py b/é.py\n"
    stored = await asyncio.to_thread(live.wait, solved["task"], "completed")
    assert stored["instance_id"] == INSTANCE["instance_id"]
    reached = [progress for progress, _ in told]
    assert reached == sorted(set(reached))
    assert told[-1][1]


@both_eras
async def test_a_cancelled_chat_leaves_the_engine_at_once(tools, mode):
    live = tools()
    begun = asyncio.Event()

    async def hear(*_):
        begun.set()

    async with client_of(live, mode=mode) as client:
        asking = asyncio.create_task(
            client.call_tool("chat", {"messages": TURNS, **ENDLESS}, progress_callback=hear)
        )
        await begun.wait()
        (ticket,) = live.runtime.tickets
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await ticket).finish_reason == "cancelled"
        await asyncio.to_thread(until, lambda: live.runtime.gate.requests == 0)
        assert (await client.call_tool("chat", {"messages": TURNS, "max_tokens": 2})).structured_content


@both_eras
async def test_a_cancelled_task_is_cancelled_in_the_store(tools, script, mode):
    live = tools()
    with held(script):
        async with client_of(live, mode=mode) as client:
            solving = asyncio.create_task(client.call_tool("solve_task", INSTANCE))
            await asyncio.to_thread(until, lambda: script.begun)
            solving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await solving
            ended = await asyncio.to_thread(live.wait, script.begun[0], "cancelled")
    assert ended["cancel_requested"]


async def test_a_task_that_fails_or_is_cancelled_by_another_way_says_so(tools, script):
    live = tools()
    script.error = ValueError("of no room: /etc/secret")
    async with client_of(live) as client:
        failed = said(await client.call_tool("solve_task", INSTANCE))
        assert "failed: internal error" in failed
        assert "/etc/secret" not in failed
        script.error = None
        with held(script):
            solving = asyncio.create_task(client.call_tool("solve_task", INSTANCE))
            await asyncio.to_thread(until, lambda: len(script.begun) == 2)
            await asyncio.to_thread(live.http.delete, f"/v1/tasks/{script.begun[1]}")
            assert "was cancelled" in said(await solving)


WRONG = {
    "no such argument": ("chat", {"messages": TURNS, "stream": True}, "chat has no argument 'stream'"),
    "no messages": ("chat", {}, "messages: Field required"),
    "no such domain": ("chat", {"messages": TURNS, "steering": {"domain": "nosuch"}}, "there is no vector"),
    "two sources": ("chat", {"messages": TURNS, "steering": {}}, "name a domain or give a vector"),
    "a path as repository": (
        "retrieve_files",
        {"repository": "/etc", "commit": "0" * 40, "problem_statement": "x"},
        "repository: String should match pattern",
    ),
    "a way out of the list": (
        "retrieve_files",
        {"repository": "abacus/../..", "commit": "0" * 40, "problem_statement": "x"},
        "is not on this server's list (abacus)",
    ),
    "no such commit": (
        "retrieve_files",
        {"repository": "abacus", "commit": "0" * 40, "problem_statement": "x"},
        "abacus has no commit 0000000",
    ),
    "a file as data set": (
        "retrieve_files",
        {"instance_id": "x", "dataset": "rows.jsonl"},
        "data set 'rows.jsonl' is not served here: bundled are",
    ),
    "a file as data set to grade": (
        "grade_patch",
        {"instance_id": "x", "dataset": "etc/passwd.json", "patch": ""},
        "which its operator has not allowed: start the server with --run-tests",
    ),
    "code that is not allowed": ("solve_task", {**INSTANCE, "run_tests": True}, "run_tests is not allowed"),
    "no such instance": ("solve_task", {"instance_id": "tidetable-23"}, "has no instance 'tidetable-23'"),
    "both ways": ("solve_task", {**INSTANCE, "commit": "0" * 40}, "name an instance_id, or a repository"),
    "too much": ("solve_task", {**INSTANCE, "problem_statement": "x" * (1 << 19) + "x"}, "at most 524288"),
}


async def test_what_is_wrong_is_said_in_a_sentence_before_anything_is_done(tools):
    live = tools()
    async with client_of(live) as client:
        for name, (tool, arguments, sentence) in WRONG.items():
            text = said(await client.call_tool(tool, arguments))
            assert sentence in text, name
            assert "\n" not in text
        with pytest.raises(MCPError, match="there is no tool 'solve'"):
            await client.call_tool("solve", {})
    assert live.runtime.store.tasks.counts() == {}


async def test_a_patch_is_graded_by_the_hidden_tests(tools, with_environments):
    live = tools(run_tests=True)
    with_environments(live.session.settings.cache)
    gold = load_instances("bundled").get(INSTANCE["instance_id"]).patch
    async with client_of(live) as client:
        right = (await client.call_tool("grade_patch", {**INSTANCE, "patch": gold})).structured_content
        none = (await client.call_tool("grade_patch", {**INSTANCE, "patch": ""})).structured_content
        cut = {**INSTANCE, "patch": "--- a\n+++ b\n"}
        torn = (await client.call_tool("grade_patch", cut)).structured_content
    assert (right["resolved"], right["certified"]) == (True, True)
    assert (none["resolved"], none["reason"]) == (False, "the patch is empty")
    assert (torn["resolved"], torn["applied"]) == (False, False)


@both_eras
async def test_a_cancelled_grading_ends_the_test_run(tools, monkeypatch, mode):
    live = tools(run_tests=True)
    running, ended = threading.Event(), threading.Event()

    def verdict_on(*_):
        with subprocess.Popen(["sleep", "600"]) as process:
            running.set()
            try:
                ended_in_time(process, 600)
            finally:
                process.kill()
                ended.set()

    monkeypatch.setattr("services.mcp.grade_patch.verdict_on", verdict_on)
    async with client_of(live, mode=mode) as client:
        grading = asyncio.create_task(client.call_tool("grade_patch", {**INSTANCE, "patch": "x"}))
        await asyncio.to_thread(running.wait)
        grading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await grading
        await asyncio.to_thread(ended.wait)


async def test_a_key_is_needed_once_there_is_one_and_a_session_is_its_owners(tools):
    live = tools()
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}

    def post(key=None, **headers):
        bearer = {"Authorization": f"Bearer {key}"} if key else {}
        return live.http.post("/mcp", json=request, headers={**accept, **bearer, **headers})

    assert (await asyncio.to_thread(post)).status_code == 401
    answers = []
    async with client_of(live, ada, mode="legacy", heard=answers.append) as client:
        session = answers[0].headers["mcp-session-id"]
        theirs = {"mcp-session-id": session, "mcp-protocol-version": client.protocol_version}
        assert (await asyncio.to_thread(post, bob, **theirs)).status_code == 404
        assert (await asyncio.to_thread(post, ada, **theirs)).status_code == 200
        solved = (await client.call_tool("solve_task", INSTANCE)).structured_content
    bearers = [{"Authorization": f"Bearer {key}"} for key in (ada, bob)]
    mine, other = [
        (await asyncio.to_thread(live.http.get, f"/v1/tasks/{solved['task']}", headers=bearer)).status_code
        for bearer in bearers
    ]
    assert (mine, other) == (200, 404)


async def test_a_page_of_another_origin_or_name_is_refused(tools):
    live = tools()

    def post(**headers):
        return live.http.post("/mcp", json={}, headers=headers).status_code

    assert await asyncio.to_thread(post, Origin="http://evil.example") == 403
    assert await asyncio.to_thread(post, Host="evil.example") == 403
    assert await asyncio.to_thread(post, Origin=live.url) not in (401, 403)


async def test_a_revoked_key_ends_the_call_that_runs(tools):
    live = tools()
    key, ada = live.runtime.store.keys.create("ada")
    begun = asyncio.Event()

    async def hear(*_):
        begun.set()

    async with client_of(live, ada) as client:
        asking = asyncio.create_task(
            client.call_tool("chat", {"messages": TURNS, **ENDLESS}, progress_callback=hear)
        )
        await begun.wait()
        await asyncio.to_thread(live.runtime.store.keys.revoke, key.id)
        assert said(await asking) == "the key was revoked"
        with pytest.raises((MCPError, httpx2.HTTPError)):
            await client.call_tool("chat", {"messages": TURNS})


async def test_a_stopping_server_ends_open_sessions_and_tells_who_waits_where_its_task_is(tools, script):
    live = tools()
    with held(script):
        async with client_of(live, mode="legacy") as client:
            solving = asyncio.create_task(client.call_tool("solve_task", INSTANCE))
            await asyncio.to_thread(until, lambda: script.begun)
            stopping = asyncio.create_task(asyncio.to_thread(live.stop))
            assert "goes on with the next" in said(await solving)
            await stopping


def test_there_is_a_limit_to_the_time_of_every_call():
    assert all(0 < tool.limit_s <= 3600 for tool in TOOLS)
