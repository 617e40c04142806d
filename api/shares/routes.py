"""Share a job, list its shares, revoke one: for its owner."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Response
from sqlalchemy.orm import Session

from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep, SubmitterDep
from api.errors.problems import AUTHENTICATED, JSON_BODY, WITH_DATABASE, problem_responses
from api.routers import contract_router
from api.shares.responses import ShareList, ShareRequest, ShareResponse
from jobs.errors import ErrorCode
from jobs.shares import shares

router = contract_router(prefix="/v1/jobs", tags=["shares"])

_JOB = {404: [ErrorCode.JOB_NOT_FOUND]}


@router.post(
    "/{job_id}/share",
    status_code=HTTPStatus.CREATED,
    responses=problem_responses(
        AUTHENTICATED,
        _JOB,
        JSON_BODY,
        {409: [ErrorCode.SHARE_LIMIT]},
        WITH_DATABASE,
    ),
)
async def share_job(
    job_id: str,
    account: SubmitterDep,
    context: ContextDep,
    response: Response,
    asked: Annotated[ShareRequest | None, Body()] = None,
) -> ShareResponse:
    """Create a signed link with which anyone can see the job and its result, and nothing else."""
    expires_in = timedelta(seconds=(asked or ShareRequest()).expires_in)
    response.headers["Cache-Control"] = "no-store"
    return await context.database_calls.run(_create, account, context, job_id, expires_in)


@router.get(
    "/{job_id}/shares",
    responses=problem_responses(AUTHENTICATED, _JOB, WITH_DATABASE),
)
async def list_shares(
    job_id: str, account: ReaderDep, context: ContextDep, response: Response
) -> ShareList:
    """List the links of a job that are valid, newest first."""
    response.headers["Cache-Control"] = "no-store"
    return await context.database_calls.run(_list, account, context, job_id)


@router.delete(
    "/{job_id}/shares/{share_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problem_responses(
        AUTHENTICATED, _JOB, {404: [ErrorCode.SHARE_NOT_FOUND]}, WITH_DATABASE
    ),
)
async def revoke_share(
    job_id: str, share_id: str, account: SubmitterDep, context: ContextDep
) -> None:
    """Revoke a link. Download URLs that it has led to before end by themselves, within an hour."""
    await context.database_calls.run(shares.revoke, account, job_id, share_id)


def _create(
    session: Session, account: str, context: AppContext, job_id: str, expires_in: timedelta
) -> ShareResponse:
    return ShareResponse.of(shares.create(session, account, job_id, expires_in), context)


def _list(session: Session, account: str, context: AppContext, job_id: str) -> ShareList:
    found = shares.of_job(session, account, job_id)
    return ShareList(items=[ShareResponse.of(share, context) for share in found])
