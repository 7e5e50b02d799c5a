"""/ and /assets: the page of the Steering Arena as it was built from `services/arena/web`.

The page is the same for everybody and holds no secrets, so it needs no key; what it shows, it asks the API's
routes for. Where it has not been built, / says how.
"""

import gzip
import re
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from services.errors import NotFound

router = APIRouter(include_in_schema=False)
BUILT = Path(__file__).parent / "web" / "dist"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only what this server sends: no script or style in the page's text, and nothing from elsewhere."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
_MEDIA = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Steering Arena</title>
<h1>The page has not been built</h1>
<p>The API works without it; its description is at <a href="/openapi.json">/openapi.json</a>.</p>
<p>To have the page, run <code>make arena</code> in a checkout (it needs Node 20.19 or newer), and load this
address again. A package that was built with it needs no Node.</p>
</html>
"""


@router.get("/")
def page() -> Response:
    """The page, or how it is built."""
    try:
        found = (BUILT / "index.html").read_bytes()
    except FileNotFoundError:
        found = _NOT_BUILT.encode()
    return Response(found, media_type="text/html", headers=_HEADERS)


@router.get("/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """A file of the page, whose name holds a hash of what is in it. Raises NotFound."""
    media = _MEDIA.get(Path(name).suffix)
    if media is None or not _NAME.fullmatch(name):
        raise NotFound("the page has no such file")
    try:
        plain, packed = _read(BUILT / "assets" / name)
    except FileNotFoundError:
        raise NotFound("the page has no such file: load it again") from None
    headers = {**_HEADERS, "Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=media, headers={**headers, "Content-Encoding": "gzip"})
    return Response(plain, media_type=media, headers=headers)


@lru_cache(maxsize=64)
def _read(path: Path) -> tuple[bytes, bytes]:
    """A file as it is, and compressed. What a name holds never changes."""
    plain = path.read_bytes()
    return plain, gzip.compress(plain, mtime=0)
