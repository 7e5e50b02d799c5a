"""Clients that are slow, many, half closed or gone, on plain sockets in front of a real server."""

import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from services import connections
from services.api import edge
from tests.services.conftest import held, until
from tests.vectors.engine.batches import stopped_after

LIVE = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHAT = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Why?"}], "temperature": 0}


@contextmanager
def connected(live):
    with socket.create_connection(("127.0.0.1", httpx.URL(live.url).port)) as client:
        yield client


def everything(client):
    """What comes until the other side closes."""
    found = b""
    while piece := client.recv(65536):
        found += piece
    return found


def post(body, path="/v1/chat/completions", more=b""):
    data = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
        + more
        + f"Content-Length: {len(data)}\r\n\r\n".encode()
        + data
    )


@pytest.fixture
def hurried(monkeypatch):
    """Limits of time that a test need not wait for."""
    for module, name in ((connections, "HEADERS_S"), (edge, "BODY_S"), (connections, "TAKEN_S")):
        monkeypatch.setattr(module, name, 0.3)


def test_the_end_of_an_answer_does_not_wait_until_the_client_has_acknowledged_its_beginning():
    with (
        connections.listen("127.0.0.1") as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_headers_that_do_not_come_are_given_up(hurried, live):
    with connected(live) as client:
        client.sendall(LIVE[:-2])
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    with connected(live) as silent:
        assert everything(silent) == b""


def test_headers_that_come_byte_by_byte_have_no_longer(hurried, live):
    with connected(live) as client, pytest.raises(OSError):
        for byte in LIVE[:-2] * 100:
            client.sendall(bytes([byte]))
            time.sleep(0.01)


def test_a_body_that_does_not_come_is_given_up(hurried, live):
    with connected(live) as client:
        client.sendall(post(CHAT)[:-5])
        answer = everything(client)  # once it has waited for the rest as well
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not come" in answer


def test_a_client_that_takes_nothing_is_given_up(hurried, live):
    live.runtime.models.serving()
    with connected(live) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pipelined = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
        with pytest.raises(OSError):
            client.sendall(pipelined)
            until(lambda: client.send(b"\r\n") == 0)  # never: it fails once the connection is gone


def test_between_requests_a_connection_may_wait_and_is_used_again(hurried, live):
    with connected(live) as client:
        for _ in range(2):
            client.sendall(LIVE)
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65536)
            time.sleep(0.5)


@pytest.mark.parametrize("settings", [{"connections": 20}, {"connections_each": 20}])
def test_a_flood_of_half_open_connections_pushes_itself_out(serving, settings):
    live = serving(**settings)
    with ExitStack() as stack:
        flood = []
        for number in range(60):
            flood.append(stack.enter_context(connected(live)))
            flood[-1].sendall(LIVE[: number % 20])
            if number % 10 == 9:
                assert httpx.get(f"{live.url}/live").status_code == 200
        gone = [client for client in flood if is_closed(client)]
        assert gone == flood[: len(gone)]
        assert 40 <= len(gone) < 60


def is_closed(client):
    client.settimeout(0.2)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_where_all_connections_have_a_request_in_hand_a_new_one_is_told_to_come_back(serving, script):
    live = serving(connections=3)
    live.http.headers["Connection"] = "close"
    with held(script), ExitStack() as stack:
        task = live.create()["id"]
        for _ in range(3):
            stack.enter_context(live.http.stream("GET", f"/v1/tasks/{task}/events"))
        refused = httpx.get(f"{live.url}/live")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["content-type"] == "application/problem+json"
    until(lambda: httpx.get(f"{live.url}/live").status_code == 200)


def test_a_length_beside_a_transfer_encoding_is_refused_and_nothing_after_it_is_read(live):
    both = post(CHAT, more=b"Transfer-Encoding: chunked\r\n").partition(b"\r\n\r\n")[0]
    with connected(live) as client:
        client.sendall(both + b"\r\n\r\n0\r\n\r\n" + LIVE)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_what_is_no_request_is_a_problem_too(live):
    with connected(live) as client:
        client.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_has_closed_its_half_gets_its_answer(live, stream):
    with connected(live) as client:
        with stopped_after(live.session.engine, passes=1):
            client.sendall(post({**CHAT, "max_tokens": 8, "stream": stream}))
            client.shutdown(socket.SHUT_WR)
            until(lambda: live.runtime.gate.requests == 1)
        answer = everything(client)
    assert answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").startswith(b"HTTP/1.1 200 ")
    assert (b"[DONE]" if stream else b'"finish_reason"') in answer


def test_pipelined_requests_of_a_half_closed_client_are_all_answered(live):
    with connected(live) as client:
        client.sendall(LIVE * 3)
        client.shutdown(socket.SHUT_WR)
        assert everything(client).count(b'{"status":"live"}') == 3


def test_head_is_get_without_its_body(live, script):
    for path in ("/live", "/v1/models", "/openapi.json"):
        got, head = live.http.get(path), live.http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    with held(script):
        events = live.http.head(f"/v1/tasks/{live.create()['id']}/events")
        assert events.headers["content-type"].startswith("text/event-stream")
    assert live.http.head("/nowhere").status_code == 404
    refused = live.http.head("/v1/chat/completions")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("name", [b"localhost", b"evil.example"])
def test_a_target_may_name_the_server_and_then_that_name_counts(live, name):
    target = (
        b"GET http://" + name + b"/v1/tasks?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    with connected(live) as client:
        client.sendall(target)
        assert everything(client).split()[1] == (b"200" if name == b"localhost" else b"403")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/tasks"])
@pytest.mark.parametrize(
    ("given", "said"), [({}, "this one has none"), ({"Content-Type": "text/plain"}, "text/plain")]
)
def test_a_body_without_its_content_type_is_told_so(live, path, given, said):
    answer = live.http.post(path, content=json.dumps(CHAT).encode(), headers=given)
    assert answer.status_code == 415
    assert "Content-Type application/json" in answer.text
    assert said in answer.text


def test_a_terminated_server_is_gone_in_time_whatever_its_clients_do(serving, script):
    live = serving(drain_s=0.5)
    with held(script), ExitStack() as stack:
        clients = [stack.enter_context(connected(live)) for _ in range(5)]
        clients[0].sendall(LIVE[:-2])
        clients[1].sendall(post(CHAT)[:-5])
        clients[2].sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        clients[3].sendall(post({**CHAT, "max_tokens": 12_000}))
        clients[4].sendall(f"GET /v1/tasks/{live.create()['id']}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: live.runtime.gate.requests == 1)
        stopping = threading.Thread(target=live.stop)
        stopping.start()
        stopping.join(30)
        assert not stopping.is_alive()
