"""/v1/arena/batches: many prompts under several steerings, as a matrix that survives the server."""

import csv
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import Field

from services.api.access import Owner, RuntimeOf
from services.api.forms import Absent, cursor_of, number_of
from services.api.problems import documented
from services.arena.arena import ArenaOf
from services.arena.batch_forms import (
    GONE,
    BatchAnswer,
    BatchFailed,
    BatchPage,
    BatchRequest,
    BatchSummary,
    KeptBatch,
)
from services.arena.event_stream import described, streamed
from services.errors import NotFound
from services.store.arena_table import StoredResult

router = APIRouter(prefix="/v1/arena/batches", tags=["arena"])
_Number = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
_Cursor = Annotated[str, Field(max_length=100)]
_ERRORS = (401, 403, 422, 429)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEADER = (
    *("prompt", "column", "text", "tokens", "finish_reason", "same"),
    *("first_difference", "jaccard", "divergence_bits", "error"),
)


def owned_batch(runtime: RuntimeOf, owner: Owner, batch_id: str) -> StoredResult:
    """The caller's batch of this id. Raises NotFound, for another owner's as for none."""
    found = runtime.store.arena.get(owner, "batch", batch_id)
    if found is None:
        raise NotFound("there is no such batch")
    return found


OwnedBatch = Annotated[StoredResult, Depends(owned_batch)]


@router.post("", status_code=202, responses=documented(400, *_ERRORS, 404, 413, 415, 503))
async def begin(body: BatchRequest, arena: ArenaOf, owner: Owner, response: Response) -> BatchAnswer:
    """Begin a batch. It goes on whether somebody follows or not."""
    stored = await arena.begin_batch(owner, body)
    response.headers["Location"] = f"/v1/arena/batches/{stored.id}"
    return BatchAnswer.whole(stored, [])


@router.get("", responses=documented(400, *_ERRORS))
def list_batches(
    runtime: RuntimeOf,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[_Cursor | Absent, Query()] = None,
) -> BatchPage:
    """The caller's batches, newest first; the server keeps so many of them."""
    before = None if cursor is None else number_of(cursor)
    found = runtime.store.arena.list(owner, "batch", before, limit + 1)
    more = cursor_of(found[limit - 1].number) if len(found) > limit else None
    return BatchPage(data=[BatchSummary.of(each) for each in found[:limit]], next_cursor=more)


@router.get(
    "/{batch_id}.csv",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **documented(*_ERRORS, 404),
    },
)
async def as_csv(batch: OwnedBatch, arena: ArenaOf) -> Response:
    """The cells as a file, a row each. A text that a spreadsheet would take for a formula has ' before it."""
    found = BatchAnswer.whole(batch, await arena.events(batch))
    return Response(_csv(found), media_type="text/csv; charset=utf-8", headers=_file(batch, "csv"))


@router.get("/{batch_id}.json", responses=documented(*_ERRORS, 404))
async def as_json(batch: OwnedBatch, arena: ArenaOf, response: Response) -> BatchAnswer:
    """The batch as a file."""
    response.headers.update(_file(batch, "json"))
    return BatchAnswer.whole(batch, await arena.events(batch))


@router.get("/{batch_id}", responses=documented(*_ERRORS, 404))
async def get(batch: OwnedBatch, arena: ArenaOf) -> BatchAnswer:
    """A batch: its cells so far, and of each column the change rate, KL and Jaccard with intervals."""
    return BatchAnswer.whole(batch, await arena.events(batch))


@router.delete(
    "/{batch_id}",
    response_model=BatchSummary,
    responses={
        204: {"description": "Nothing is known of the batch any more."},
        **documented(*_ERRORS, 404, 409),
    },
)
async def stop(batch: OwnedBatch, arena: ArenaOf) -> BatchSummary | Response:
    """Stop a batch that goes on, and keep the cells that there are; delete one that is over."""
    return BatchSummary.of(batch) if await arena.stopped(batch) else Response(status_code=204)


@router.post("/{batch_id}/resume", status_code=202, responses=documented(*_ERRORS, 404, 409, 503))
async def resume(batch: OwnedBatch, arena: ArenaOf) -> BatchSummary:
    """Go on with a batch that was stopped, failed or interrupted, after the prompts whose cells are there."""
    arena.check_model(KeptBatch.of(batch).asked.model)
    return BatchSummary.of(await arena.resume_batch(batch))


@router.get(
    "/{batch_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events, each with its number as id, its kind as event and JSON as data.",
            "content": {"text/event-stream": {"schema": described("BatchEvent", "BatchFailed")}},
        },
        204: {"description": "The batch is over and has no events after that number."},
        **documented(*_ERRORS, 404),
    },
)
async def events(
    batch: OwnedBatch,
    arena: ArenaOf,
    last_event_id: Annotated[_Number | Absent, Header(alias="Last-Event-ID")] = None,
    since: Annotated[int, Query(ge=0, lt=10**15)] = 0,
) -> Response:
    """Follow a batch cell by cell, beginning after `Last-Event-ID`, else after `since`."""
    start = since if last_event_id is None else int(last_event_id)
    return streamed(arena, batch, start, BatchFailed(reason=GONE), leaving_stops=False)


def _file(batch: StoredResult, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{batch.id}.{ending}"'}


def _csv(batch: BatchAnswer) -> str:
    written = StringIO()
    rows = csv.writer(written)
    rows.writerow(_HEADER)
    for cell in batch.cells:
        texts = (batch.texts[cell.prompt], batch.names[cell.column], cell.text)
        rows.writerow(
            [
                *map(_plain, texts),
                *(cell.tokens, cell.finish_reason, cell.same, cell.first_difference),
                *(cell.jaccard, cell.divergence, cell.error),
            ]
        )
    return written.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
