"""Celery's command `revoke` for ids of jobs: it cancels them, as a monitor's buttons promise.

Celery itself would look for messages of these ids, and there are none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from celery.worker.control import Panel
from kombu.utils.functional import maybe_list

from jobs import service
from jobs.errors import RequestError
from jobs.ids import is_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.database import SessionFactory

log = structlog.get_logger()


def install(sessions: SessionFactory) -> None:
    """Let monitors that may control workers cancel jobs."""
    Panel.data["revoke"] = partial(revoke, sessions)


def revoke(
    sessions: SessionFactory, state: object, task_id: str | Sequence[str], **_: Any
) -> dict[str, str]:
    """Cancel these jobs: every worker gets the command, and the first one does it."""
    done = [one for one in maybe_list(task_id) or () if _cancel(sessions, str(one))]
    return {"ok": f"canceled: {', '.join(done) or 'none that was queued or running'}"}


def _cancel(sessions: SessionFactory, job_id: str) -> bool:
    if not is_id(job_id, "job"):
        return False
    try:
        with sessions.begin() as session:
            service.cancel(session, None, job_id)
    except RequestError:  # it has ended, or does not exist
        return False
    log.info("job canceled by a monitor", job=job_id)
    return True
