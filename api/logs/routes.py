"""Get what the attempts of a job logged."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.context.deps import ContextDep, ReadingDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.routers import contract_router
from jobs import service
from jobs.attempt_logs import store
from jobs.errors import ErrorCode
from jobs.states import Outcome

router = contract_router(prefix="/v1/jobs", tags=["jobs"])


class LogLine(BaseModel):
    """One event of an attempt."""

    at: datetime
    level: Literal["info", "warning", "error"]
    event: str = Field(examples=["phase"])
    fields: dict[str, Any] = Field(description="Single values.", examples=[{"phase": "generating"}])


class AttemptLog(BaseModel):
    """What one attempt logged: its last 200 lines, 32 kB at most."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None = Field(description="Null while it runs.")
    dropped: int = Field(description="Older lines that are not kept.")
    lines: list[LogLine]


class JobLogs(BaseModel):
    """The logs of the attempts of a job, in order."""

    job_id: str
    attempts: list[AttemptLog]


@router.get(
    "/{job_id}/logs",
    responses=problem_responses(AUTHENTICATED, {404: [ErrorCode.JOB_NOT_FOUND]}, WITH_DATABASE),
)
async def get_logs(
    job_id: str,
    caller: ReadingDep,
    context: ContextDep,
    attempt: Annotated[
        int | None, Query(ge=1, le=10_000, description="Only the log of this attempt.")
    ] = None,
) -> JobLogs:
    """Get the logs of a job: phases, warnings, errors. While it runs, as of the last heartbeat.

    Without secrets, addresses of files and texts of the input.
    """
    return await context.database_calls.run(_logs, caller.reach, job_id, attempt)


def _logs(session: Session, account: str | None, job_id: str, attempt: int | None) -> JobLogs:
    service.find(session, account, job_id)
    found = store.of_job(session, job_id, attempt)
    attempts = [AttemptLog.model_validate(vars(each)) for each in found]
    return JobLogs(job_id=job_id, attempts=attempts)
