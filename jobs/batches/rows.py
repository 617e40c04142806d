"""Submissions as rows of a batch store them, until they become jobs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.queue.submission import Submission
from jobs.states import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_THE_JOB = ("id", "account", "idempotency_key", "trace", "check_only")
"""What a submission gets when it becomes a job."""


@dataclass(frozen=True)
class NewRow:
    """A checked row of a request."""

    number: int
    """Its line in the request, from 1, or its number in a failures.csv."""
    submission: Submission
    key: str | None = None
    """Its own Idempotency-Key."""

    @property
    def files(self) -> tuple[str, ...]:
        """Ids of the files that its input names."""
        return self.submission.files

    def record(self) -> dict[str, Any]:
        """The row as JSON, as `batch_rows` stores it."""
        stored = asdict(self.submission) | {"ttl": self.submission.ttl.total_seconds()}
        for name in _OF_THE_JOB:
            del stored[name]
        return {"number": self.number, "key": self.key, "submission": stored}


def restored(stored: Mapping[str, Any], *, account: str, key: str) -> Submission:
    """The submission of a stored row, as a new job of this account with this Idempotency-Key."""
    values = dict(stored) | {
        "ttl": timedelta(seconds=stored["ttl"]),
        "priority": Priority(stored["priority"]),
        "files": tuple(stored["files"]),
    }
    return Submission(account=account, idempotency_key=key, **values)


def job_key(batch_id: str, number: int, key: str | None, tries: int) -> str:
    """The Idempotency-Key of a row's job. A retry is another job, so it has another key."""
    return key if key is not None and not tries else f"{batch_id}-{number}-{tries}"
