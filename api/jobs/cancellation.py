"""Cancel a job for clients that may ask for it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import service
from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from api.context.app_context import AppContext


async def cancel_unless_final(context: AppContext, account: str, job_id: str) -> None:
    """Cancel a job of this account; one that has ended stays as it is.

    Raises `RequestError` (job_not_found).
    """
    try:
        await context.database_calls.run(service.cancel, account, job_id)
    except RequestError as error:
        if error.code != ErrorCode.JOB_ALREADY_FINAL:
            raise
