"""The page as it is served: what its answers say, and that nothing else is handed out under its addresses."""

import gzip

import pytest

from services.arena import page

SCRIPT = "console.log('é')" * 50


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A page that was built, of two files."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>")
    (folder / "assets" / "index-a1B2.js").write_text(SCRIPT)
    (folder / "secret.js").write_text("no")
    monkeypatch.setattr(page, "BUILT", folder)
    return folder


def test_where_the_page_is_not_built_the_address_says_how_and_the_api_works(live, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "BUILT", tmp_path)
    answer = live.http.get("/")
    assert answer.status_code == 200
    assert "make arena" in answer.text
    assert live.http.get("/v1/tasks").status_code == 200


def test_the_page_is_asked_for_each_time_and_its_files_are_kept_for_ever(live, built):
    first = live.http.get("/")
    assert "built" in first.text
    assert first.headers["cache-control"] == "no-store"
    script = live.http.get("/assets/index-a1B2.js")
    assert script.text == SCRIPT
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_files_are_compressed_for_whoever_takes_that(live, built):
    with live.http.stream("GET", "/assets/index-a1B2.js", headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed).decode() == SCRIPT
    plain = live.http.get("/assets/index-a1B2.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT


@pytest.mark.parametrize("path", ["/", "/assets/index-a1B2.js"])
def test_what_the_page_may_do_is_said_with_every_file(live, built, path):
    policy = live.http.get(path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    "name", ["..%2Fsecret.js", "%2e%2e/secret.js", "index.html", "none-a1.js", ".js", "a%00.js", "a%0A.js"]
)
def test_no_other_file_is_handed_out(live, built, name):
    assert live.http.get(f"/assets/{name}").status_code == 404


def test_the_page_needs_no_key_and_its_head_has_no_body(serving, built):
    live = serving()
    live.runtime.store.keys.create("somebody")
    assert live.http.get("/v1/tasks").status_code == 401
    assert live.http.get("/").status_code == 200
    assert live.http.head("/").content == b""
