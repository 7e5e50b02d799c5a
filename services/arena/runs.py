"""/v1/arena/runs: one prompt under several steerings in one batch, followed live, kept, and run again."""

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import Field

from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent, cursor_of, number_of
from services.api.problems import documented
from services.arena.arena import Arena, ArenaOf
from services.arena.event_stream import described, streamed
from services.arena.run_answers import Kept, RunAnswer, RunPage, RunSummary
from services.arena.run_events import INTERRUPTED, RunFailed
from services.arena.run_page import page_of
from services.arena.run_requests import RunRequest
from services.errors import NotFound
from services.store.arena_table import StoredResult

router = APIRouter(prefix="/v1/arena/runs", tags=["arena"])
_Number = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
_Cursor = Annotated[str, Field(max_length=100)]
_ERRORS = (401, 403, 422, 429)
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def owned_run(runtime: RuntimeOf, owner: Owner, run_id: str) -> StoredResult:
    """The caller's run of this id. Raises NotFound, for another owner's as for none."""
    found = runtime.store.arena.get(owner, "run", run_id)
    if found is None:
        raise NotFound("there is no such run")
    return found


OwnedRun = Annotated[StoredResult, Depends(owned_run)]


@router.post("", status_code=202, responses=documented(400, *_ERRORS, 404, 413, 415, 503))
async def begin(body: RunRequest, arena: ArenaOf, owner: Owner, response: Response) -> RunAnswer:
    """Begin a run: every column is a row of one batch, and all draw with one seed."""
    return await _begun(arena, owner, body, response)


@router.get("", responses=documented(400, *_ERRORS))
def list_runs(
    runtime: RuntimeOf,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[_Cursor | Absent, Query()] = None,
) -> RunPage:
    """The caller's runs, newest first; the server keeps so many of them."""
    before = None if cursor is None else number_of(cursor)
    found = runtime.store.arena.list(owner, "run", before, limit + 1)
    more = cursor_of(found[limit - 1].number) if len(found) > limit else None
    return RunPage(data=[RunSummary.of(each) for each in found[:limit]], next_cursor=more)


@router.get("/{run_id}", responses=documented(*_ERRORS, 404))
async def get(run: OwnedRun, arena: ArenaOf) -> RunAnswer:
    """A run with all that it has told so far; once it is over, with its columns beside the baseline."""
    return RunAnswer.whole(run, await arena.events(run))


@router.delete(
    "/{run_id}",
    response_model=RunSummary,
    responses={
        204: {"description": "Nothing is known of the run any more."},
        **documented(*_ERRORS, 404, 409),
    },
)
async def stop(run: OwnedRun, arena: ArenaOf) -> RunSummary | Response:
    """Stop a run that goes on at its next token, and keep what there is; delete one that is over."""
    return RunSummary.of(run) if await arena.stopped(run) else Response(status_code=204)


@router.post("/{run_id}/again", status_code=202, responses=documented(*_ERRORS, 404, 409, 503))
async def again(run: OwnedRun, arena: ArenaOf, owner: Owner, response: Response) -> RunAnswer:
    """Run it once more as it was asked for, with its seed, as a new run."""
    asked = Kept.of(run).asked
    arena.check_model(asked.model)
    return await _begun(arena, owner, asked, response)


@router.get(
    "/{run_id}/page",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **documented(*_ERRORS, 404),
    },
)
async def page(run: OwnedRun, arena: ArenaOf) -> Response:
    """A run as one HTML file that loads nothing and needs no script."""
    found = RunAnswer.whole(run, await arena.events(run))
    text = await anyio.to_thread.run_sync(page_of, found)
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


@router.get(
    "/{run_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events, each with its number as id, its kind as event and JSON as data.",
            "content": {"text/event-stream": {"schema": described("RunEvent", "RunFailed")}},
        },
        204: {"description": "The run is over and has no events after that number."},
        **documented(*_ERRORS, 404),
    },
)
async def events(
    run: OwnedRun,
    arena: ArenaOf,
    last_event_id: Annotated[_Number | Absent, Header(alias="Last-Event-ID")] = None,
    since: Annotated[int, Query(ge=0, lt=10**15)] = 0,
) -> Response:
    """Follow a run, beginning after `Last-Event-ID`, else after `since`.

    When the last follower of a run has been gone for five seconds, it is stopped as DELETE stops it.
    """
    start = since if last_event_id is None else int(last_event_id)
    return streamed(arena, run, start, RunFailed(reason=INTERRUPTED), leaving_stops=True)


async def _begun(arena: Arena, owner: str, asked: RunRequest, response: Response) -> RunAnswer:
    stored = await arena.begin(owner, asked)
    response.headers["Location"] = f"/v1/arena/runs/{stored.id}"
    return RunAnswer.whole(stored, [])
