"""Submit, follow, list, cancel and retry batches, and download their results."""

import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.batches import archive
from api.batches.checking import check_rows
from api.batches.lines import CSV, JSON_LINES, CsvColumns, Line, read_csv, read_json_lines
from api.batches.receiving import media_type_of, read_body, receiving
from api.batches.responses import (
    BatchPage,
    BatchResponse,
    BatchSummary,
    RowsProblem,
    RowStatus,
)
from api.batches.streams import FileStream
from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep, SubmitterDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.errors.validation import invalid_cursor, invalid_field
from api.events.responses import STREAM_LIMITS
from api.jobs.filters import Label, Text
from api.jobs.request_body import unsupported
from api.jobs.routes import IDEMPOTENCY_KEY, SUBMIT_CODES
from api.jobs.submission import check_idempotency_key
from api.routers import contract_router
from jobs.batches import cancellation, service
from jobs.batches.service import NewBatch
from jobs.batches.tables import Batch
from jobs.control import pauses
from jobs.errors import ErrorCode, FieldError
from jobs.ids import is_id
from storage.signed_links import content_disposition

router = contract_router(prefix="/v1/batches", tags=["batches"])

_NOT_FOUND = {404: [ErrorCode.BATCH_NOT_FOUND]}
_STREAMS = {429: STREAM_LIMITS[429], 503: [*STREAM_LIMITS[503], ErrorCode.STORAGE_UNAVAILABLE]}
_LINES: dict[str, Any] = {
    "schema": {"type": "string", "description": "A submission a line, which may have a `key`."},
    "example": '{"model": "preview-lipsync", "key": "shot-1", "input": {"image": '
    '"https://example.com/face.jpg", "audio": "https://example.com/voice.wav"}}\n',
}
_TABLE: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "Columns are inputs of `model`, `key`, labels, or those of a failures.csv.",
    },
    "example": "image,audio,key\nhttps://example.com/face.jpg,https://example.com/a.wav,shot-1\n",
}
_BODY = {
    "required": True,
    "content": {JSON_LINES[0]: _LINES, JSON_LINES[1]: _LINES, CSV[0]: _TABLE},
}
_SUBMIT_PROBLEMS = problem_responses(
    AUTHENTICATED,
    {status: codes for status, codes in SUBMIT_CODES.items() if status != 429},
    {422: [ErrorCode.INVALID_ROWS]},
    WITH_DATABASE,
)
_SUBMIT_PROBLEMS[422]["model"] = RowsProblem


class SubmitQuery(BaseModel):
    """What the rows of a batch share: a row of JSON may say otherwise."""

    model_config = ConfigDict(extra="forbid")

    model: Text | None = Field(default=None, max_length=100, description="Required for CSV.")
    priority: Literal["interactive", "normal", "background"] = Field(
        default="background", description="A batch yields to single jobs unless it says otherwise."
    )
    ttl_seconds: int | None = Field(default=None, ge=60, description="As of a single job.")
    webhook: Text | None = Field(
        default=None, max_length=2048, description="A URL that is called when a job has ended."
    )
    label: list[Label] = Field(
        default=[], max_length=32, description="A label of all jobs: `name:value`."
    )
    label_column: list[Text] = Field(
        default=[], max_length=32, description="Columns of a CSV body that become labels."
    )
    ignore: list[Text] = Field(
        default=[], max_length=256, description="Columns of a CSV body that are left out."
    )
    dry_run: bool = Field(default=False, description="Check all rows and submit none: 204.")

    @property
    def defaults(self) -> dict[str, Any]:
        """Members of a submission that a row need not have."""
        labels = {name: value for name, _, value in (pair.partition(":") for pair in self.label)}
        given = {
            "model": self.model,
            "ttl_seconds": self.ttl_seconds,
            "webhook": None if self.webhook is None else {"url": self.webhook},
            "priority": self.priority,
            "labels": labels,
        }
        return {name: value for name, value in given.items() if value is not None}


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=BatchResponse,
    responses={
        HTTPStatus.NO_CONTENT: {"description": "A dry run that would be accepted"},
        **_SUBMIT_PROBLEMS,
    },
    openapi_extra={"requestBody": _BODY, "parameters": [IDEMPOTENCY_KEY]},
)
async def create_batch(
    request: Request,
    account: SubmitterDep,
    context: ContextDep,
    query: Annotated[SubmitQuery, Query()],
) -> Response:
    """Submit up to 10,000 rows, all of them or none. They become jobs as there is room.

    Send it again with the same Idempotency-Key if no answer came: nothing is submitted twice.
    """
    key = request.headers.get("idempotency-key")
    check_idempotency_key(key)
    media_type = media_type_of(request)
    async with receiving(context):
        body = await read_body(request, context.settings.max_json_bytes)
        body_hash = await context.checking_rows.run(_hash, media_type, query, body)
        found = await _replayed(context, account, key, body_hash)
        if found is None:
            lines = _lines(body, media_type, query, context)
            rows = await check_rows(lines, query.defaults, context, account)
            if query.dry_run:
                return Response(status_code=HTTPStatus.NO_CONTENT)
            new = NewBatch(account, rows, body_hash, key)
            found = await context.database_calls.run(_store, new)
    batch, replayed = found
    response = await _response(context, batch, status=HTTPStatus.ACCEPTED)
    response.headers["Location"] = f"{context.settings.public_url}/v1/batches/{batch.id}"
    response.headers["Retry-After"] = "1"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _store(session: Session, new: NewBatch) -> tuple[Batch, bool]:
    pauses.require_open(session)
    return service.store(session, new)


async def _replayed(
    context: AppContext, account: str, key: str | None, body_hash: str
) -> tuple[Batch, bool] | None:
    """The batch of this key, before its rows are checked again: a model may be gone since."""
    if key is None:
        return None
    find = service.find_replayed
    batch = await context.database_calls.run(find, account, key, body_hash)
    return None if batch is None else (batch, True)


def _lines(body: bytes, media_type: str, query: SubmitQuery, context: AppContext) -> Iterator[Line]:
    if media_type in JSON_LINES:
        if query.label_column or query.ignore:
            name = "label_column" if query.label_column else "ignore"
            raise invalid_field(FieldError(f"/query/{name}", "is for CSV only"))
        return read_json_lines(body)
    if media_type not in CSV:
        raise unsupported(f"Send {JSON_LINES[0]} or {CSV[0]}.")
    if query.model is None:
        raise invalid_field(FieldError("/query/model", "is required for CSV"))
    card = context.models.require_submittable(query.model)
    return read_csv(body, CsvColumns(card, frozenset(query.label_column), frozenset(query.ignore)))


def _hash(media_type: str, query: SubmitQuery, body: bytes) -> str:
    digest = hashlib.sha256(f"{media_type}\n{query.model_dump_json()}\n".encode())
    digest.update(body)
    return digest.hexdigest()


class ListQuery(BaseModel):
    """A page of a list of batches."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=100, description="`next_cursor` before.")
    limit: int = Field(default=50, ge=1, le=200, description="Batches per page.")


@router.get(
    "",
    responses=problem_responses(AUTHENTICATED, {422: [ErrorCode.INVALID_CURSOR]}, WITH_DATABASE),
)
async def list_batches(
    account: ReaderDep, context: ContextDep, query: Annotated[ListQuery, Query()]
) -> BatchPage:
    """List your batches, newest first, without their counts."""
    if query.cursor is not None and not is_id(query.cursor, "batch"):
        raise invalid_cursor()
    found = await context.database_calls.run(_page, account, query)
    items = [BatchSummary.of(each, context.settings.public_url) for each in found[: query.limit]]
    return BatchPage(items=items, next_cursor=items[-1].id if len(found) > query.limit else None)


def _page(session: Session, account: str, query: ListQuery) -> list[Batch]:
    return service.page(session, account, before=query.cursor, limit=query.limit + 1)


@router.get("/{batch_id}", responses=problem_responses(AUTHENTICATED, _NOT_FOUND, WITH_DATABASE))
async def get_batch(batch_id: str, account: ReaderDep, context: ContextDep) -> BatchResponse:
    """Get a batch: its rows by status, failed ones by code, and when it will have ended."""
    batch = await context.database_calls.run(service.find, account, batch_id)
    return await _counted(context, batch)


@router.post(
    "/{batch_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(AUTHENTICATED, _NOT_FOUND, WITH_DATABASE),
)
async def cancel_batch(batch_id: str, account: SubmitterDep, context: ContextDep) -> BatchResponse:
    """Cancel all rows that have not ended: running jobs stop at their next step.

    Results that there are stay. To cancel a batch that has ended changes nothing.
    """
    run = context.database_calls.run
    await run(service.find, account, batch_id)
    await run(service.cancel_waiting, batch_id)
    last: int | None = 0
    while last is not None:
        last = await run(cancellation.cancel_jobs, account, batch_id, last)
    return await _counted(context, await run(service.find, account, batch_id))


@router.post(
    "/{batch_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(AUTHENTICATED, _NOT_FOUND, WITH_DATABASE),
)
async def retry_batch(batch_id: str, account: SubmitterDep, context: ContextDep) -> BatchResponse:
    """Submit all failed rows again, each as a new job with the same input and seed."""
    await context.database_calls.run(service.find, account, batch_id)
    await context.database_calls.run(service.retry_failed, batch_id)
    return await _counted(
        context, await context.database_calls.run(service.find, account, batch_id)
    )


@router.get(
    "/{batch_id}/results",
    response_class=Response,
    responses={
        200: {
            "description": "A line of JSON for each row, in order.",
            "content": {JSON_LINES[0]: {"schema": {"type": "string"}}},
        },
        **problem_responses(AUTHENTICATED, _NOT_FOUND, _STREAMS, WITH_DATABASE),
    },
)
async def list_results(
    batch_id: str,
    account: ReaderDep,
    context: ContextDep,
    status: Annotated[RowStatus | None, Query(description="Only rows with this status.")] = None,
) -> Response:
    """Get what became of each row, as JSON lines."""
    batch = await context.database_calls.run(service.find, account, batch_id)
    return FileStream(
        archive.result_lines(context, batch.id, status),
        context.streams,
        account,
        media_type=JSON_LINES[0],
        headers={"Content-Disposition": content_disposition(f"{batch.id}.jsonl")},
    )


@router.get(
    "/{batch_id}/archive",
    response_class=Response,
    responses={
        200: {
            "description": "The results as `00017.mp4` or, with a key, `00017-KEY.mp4` (the number "
            "is that of the row), and `results.jsonl` with what became of each row.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problem_responses(AUTHENTICATED, _NOT_FOUND, _STREAMS, WITH_DATABASE),
    },
)
async def download_archive(batch_id: str, account: ReaderDep, context: ContextDep) -> Response:
    """Download all results of a batch as one ZIP archive, which is written as it is sent."""
    batch = await context.database_calls.run(service.find, account, batch_id)
    return FileStream(
        archive.archive(context, batch.id),
        context.streams,
        account,
        media_type="application/zip",
        headers={"Content-Disposition": content_disposition(f"{batch.id}.zip")},
    )


async def _counted(context: AppContext, batch: Batch) -> BatchResponse:
    counts = await context.database_calls.run(service.count, batch.id)
    queues = await context.queues.get()
    return BatchResponse.with_counts(batch, counts, queues, context.settings.public_url)


async def _response(context: AppContext, batch: Batch, *, status: HTTPStatus) -> Response:
    body = (await _counted(context, batch)).model_dump_json()
    return Response(body, status, media_type="application/json")
