"""Retry a job."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context.deps import ContextDep, SubmitterDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.jobs.responses import JobResponse
from api.jobs.retries.retry import retry
from api.jobs.routes import SUBMIT_CODES, accepted, submission_headers
from api.routers import contract_router
from jobs.errors import ErrorCode

router = contract_router(prefix="/v1/jobs", tags=["jobs"])


class RetryRequest(BaseModel):
    """How to retry a job."""

    model_config = ConfigDict(extra="forbid", strict=True)

    exact: bool = Field(
        default=False,
        description="Keep a seed that the server drew, and run with the same revision of the "
        "weights only; a worker that has another fails the job as `weights_changed`.",
    )


@router.post(
    "/{job_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=JobResponse,
    responses=problem_responses(
        AUTHENTICATED,
        SUBMIT_CODES,
        {
            404: [ErrorCode.JOB_NOT_FOUND],
            409: [ErrorCode.JOB_NOT_FINISHED, ErrorCode.NOT_REPRODUCIBLE],
            410: [ErrorCode.INPUTS_EXPIRED],
        },
        WITH_DATABASE,
    ),
)
async def retry_job(
    job_id: str,
    account: SubmitterDep,
    context: ContextDep,
    asked: Annotated[RetryRequest | None, Body()] = None,
    idempotency_key: Annotated[
        str | None,
        Header(description="Requests with the same key create one job, however often they arrive."),
    ] = None,
) -> Response:
    """Submit the input of a job that has ended again: a new job, whose `retry_of` is the old one.

    Labels, priority, retention and webhook are those of the old job. Its files are used again.
    """
    exact = (asked or RetryRequest()).exact
    job, replayed = await retry(
        context, account, job_id, exact=exact, idempotency_key=idempotency_key
    )
    return accepted(job, context, submission_headers(job, context, replayed=replayed))
