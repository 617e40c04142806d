"""Submit, poll, list, cancel, delete."""

import asyncio
import base64
import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.deps import ReaderDep, SessionDep, ShopDep, SubmitterDep
from api.errors.problems import problem_responses
from api.jobs.deletion import remove
from api.jobs.request_body import Draft, read_draft
from api.jobs.responses import show, show_new
from api.jobs.strict_json import words
from api.jobs.submission import submit
from api.responses import JobAnswer, JobPage
from jobs import previews, service
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import is_id
from jobs.states import State
from jobs.tables import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_SECONDS = (0.1, 0.2, 0.3, 0.5)
"""How long a waiting request sleeps between looks at the record; the last one repeats."""


def _pair(text: str) -> str:
    if ":" not in text:
        raise ValueError("must be name:value")
    return words(text)


Words = Annotated[str, AfterValidator(words)]
Label = Annotated[str, AfterValidator(_pair)]


class ListQuery(BaseModel):
    """Which jobs a list shows."""

    model_config = ConfigDict(extra="forbid")

    status: State | None = Field(default=None, description="Only jobs in this state.")
    model: Words | None = Field(
        default=None, max_length=100, description="Only jobs of this model."
    )
    label: list[Label] = Field(default=[], description="Only jobs with this label: `name:value`.")
    cursor: str | None = Field(default=None, description="From the page before.")
    limit: int = Field(default=50, ge=1, le=200)


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(400, 401, 403, 413, 415, 422, 429, 503),
)
def submit_job(
    account: SubmitterDep,
    draft: Annotated[Draft, Depends(read_draft)],
    shop: ShopDep,
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(description="Send it again with the same key: the job is made once.")
    ] = None,
) -> JobAnswer:
    """Submit a job. After the 202 it is on disk and will be run."""
    job, replayed = submit(draft, shop, account=account, key=idempotency_key)
    answer = show_new(job, shop)
    response.headers["Location"] = answer.links["self"]
    response.headers["Retry-After"] = "1"
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return answer


@router.get("", responses=problem_responses(401, 403, 422, 503))
def list_jobs(
    account: ReaderDep, session: SessionDep, shop: ShopDep, query: Annotated[ListQuery, Query()]
) -> JobPage:
    """List your jobs, newest first."""
    rows = service.page(
        session,
        account,
        service.Filter(query.status, query.model, _labels(query.label)),
        before=_before(query.cursor),
        limit=query.limit + 1,
    )
    more = len(rows) > query.limit
    seen = previews.ids_with_preview(session, rows)
    items = [JobAnswer.of(job, shop, preview=job.id in seen) for job in rows[: query.limit]]
    return JobPage(items=items, next_cursor=_cursor(items[-1].id) if more else None)


@router.get("/{job_id}", responses=problem_responses(401, 403, 404, 422, 503))
async def get_job(
    job_id: str,
    account: ReaderDep,
    shop: ShopDep,
    wait: Annotated[
        float,
        Query(
            ge=0,
            allow_inf_nan=False,
            description="Answer when the job is final, or after these seconds.",
        ),
    ] = 0,
) -> JobAnswer:
    """Look at a job, or wait for its end: a waiting request holds no thread."""
    deadline = time.monotonic() + min(wait, shop.settings.longest_wait_seconds)
    sleeps = iter(POLL_SECONDS)
    while True:
        job = await run_in_threadpool(_find, shop, account, job_id)
        pause = min(next(sleeps, POLL_SECONDS[-1]), deadline - time.monotonic())
        if State(job.state).final or pause <= 0:
            return await run_in_threadpool(show, job, shop)
        await asyncio.sleep(pause)


@router.post(
    "/{job_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(401, 403, 404, 409, 503),
)
def cancel_job(job_id: str, account: SubmitterDep, session: SessionDep, shop: ShopDep) -> JobAnswer:
    """Withdraw a job: at once while it is queued, at its next frame while it runs."""
    return JobAnswer.of(service.cancel(session, account, job_id), shop)


@router.delete(
    "/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problem_responses(401, 403, 404, 409, 503),
)
def delete_job(job_id: str, account: SubmitterDep, shop: ShopDep) -> None:
    """Delete a job that has ended, with all that it made and the files uploaded for it."""
    remove(job_id, shop, account=account)


def _find(shop: Any, account: str, job_id: str) -> Job:
    with shop.sessions() as session:
        return service.find(session, account, job_id)


def _labels(pairs: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition(":") for pair in pairs)}


def _cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode()).decode().rstrip("=")


def _before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        job_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        job_id = ""
    if not is_id(job_id, "job"):
        detail = "This cursor is not from a page of this list: begin again without one."
        raise RequestError(
            ErrorCode.INVALID_CURSOR, detail, errors=(FieldError("/query/cursor", detail),)
        )
    return job_id
