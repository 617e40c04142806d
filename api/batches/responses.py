"""Responses about batches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field

from api.errors.problems import ProblemResponse
from api.jobs.responses import JobFailure, WaitEstimate
from api.results.responses import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.batches.service import Counts, RowState
    from jobs.batches.tables import Batch
    from jobs.queue.snapshot import QueueState

_ROW = "Its line in the request, from 1, or its number in a failures.csv."
RowStatus = Literal["waiting", "queued", "running", "succeeded", "failed", "canceled", "deleted"]


class RowCounts(BaseModel):
    """How many rows of a batch have each status."""

    waiting: int = Field(default=0, description="No job yet: their account or queue has no room.")
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    deleted: int = Field(default=0, description="Their jobs were deleted.")


class BatchSummary(BaseModel):
    """A batch in a list."""

    id: str = Field(examples=["batch_019aa7e0c1de7c52b1f3d8a6f0a4b7c9"])
    rows: int
    created_at: datetime
    canceled_at: datetime | None = Field(description="When its unfinished rows were canceled.")
    links: dict[str, str]

    @classmethod
    def of(cls, batch: Batch, public_url: str) -> Self:
        """The response for a row."""
        return cls.model_validate(_summary(batch, public_url))


class BatchResponse(BatchSummary):
    """A batch as its owner sees it."""

    status: Literal["active", "ended"] = Field(description="`ended`: no row is unfinished.")
    counts: RowCounts
    failed_by_code: dict[str, int] = Field(
        description="Failed rows by the code of their error.", examples=[{"fetch_failed": 3}]
    )
    eta_seconds: WaitEstimate | None = Field(
        description="Until the last row has ended, if no job of others comes first; null while "
        "there is nothing to estimate it by, and after the end."
    )

    @classmethod
    def with_counts(
        cls, batch: Batch, counts: Counts, queues: Mapping[str, QueueState], public_url: str
    ) -> Self:
        """The response for a batch, its counted rows and the queues of all models."""
        return cls.model_validate(
            _summary(batch, public_url)
            | {
                "status": "active" if counts.unfinished else "ended",
                "counts": RowCounts.model_validate(counts.by_status),
                "failed_by_code": counts.by_code,
                "eta_seconds": _eta(counts, queues),
            }
        )


class BatchPage(BaseModel):
    """A page of batches, newest first."""

    items: list[BatchSummary]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null on the last one."
    )


class RowResult(BaseModel):
    """What became of a row."""

    row: int = Field(description=_ROW)
    key: str | None
    job: str | None = Field(description="Id of its last job.")
    model: str
    status: RowStatus
    tries: int = Field(description="How often it was retried.")
    result: Result | None
    error: JobFailure | None
    file: str | None = Field(default=None, description="Its name in the ZIP archive.")

    @classmethod
    def of(cls, row: RowState, public_url: str, file: str | None = None) -> Self:
        """The response for a row. Its URLs are those of its job."""
        url = f"{public_url}/v1/jobs/{row.job_id}"
        result = None
        if row.job_id is not None and row.result is not None and not row.expired:
            result = Result.of(row.result, row.model, row.job_id, url)
        return cls(
            row=row.number,
            key=row.key,
            job=row.job_id,
            model=row.model,
            status=row.status,
            tries=row.tries,
            result=result,
            error=None if row.error is None else JobFailure.model_validate(row.error),
            file=file,
        )


class RowFieldError(BaseModel):
    """A field of a row that is wrong."""

    pointer: str = Field(description="JSON pointer to the field.", examples=["/input/fps"])
    message: str


class RowError(BaseModel):
    """A row that is wrong."""

    row: int = Field(description=_ROW)
    code: str
    detail: str
    errors: list[RowFieldError]


class RowsProblem(ProblemResponse):
    """Rows of a batch that are wrong, or what is wrong with the whole request."""

    rows: list[RowError] = Field(default=[], description="Each wrong row; all of them.")


def _summary(batch: Batch, public_url: str) -> dict[str, Any]:
    url = f"{public_url}/v1/batches/{batch.id}"
    return {
        "id": batch.id,
        "rows": batch.rows,
        "created_at": batch.created_at,
        "canceled_at": batch.canceled_at,
        "links": {
            "self": url,
            "cancel": f"{url}/cancel",
            "retry": f"{url}/retry",
            "results": f"{url}/results",
            "archive": f"{url}/archive",
        },
    }


def _eta(counts: Counts, queues: Mapping[str, QueueState]) -> WaitEstimate | None:
    """The longest of the waits for all models: behind all jobs of a model that wait now."""
    longest = WaitEstimate(p50=0, p90=0)
    for model in counts.unfinished:
        queue = queues.get(model)
        if queue is None or queue.p50_seconds is None or queue.p90_seconds is None:
            return None
        ahead = queue.waiting + queue.running + counts.waiting.get(model, 0)
        turns = max(1.0, ahead / max(queue.workers, 1))
        longest = WaitEstimate(
            p50=max(longest.p50, turns * queue.p50_seconds),
            p90=max(longest.p90, turns * queue.p90_seconds),
        )
    return longest if counts.unfinished else None
