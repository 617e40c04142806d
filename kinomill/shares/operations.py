"""What both clients do with shares, as operations without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from kinomill.errors import NotFound
from kinomill.job_parts import Share
from kinomill.transport.exchange import Request, exchange, exchange_json
from kinomill.watch import job_path

if TYPE_CHECKING:
    from kinomill.jobs import Job
    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation


@dataclass(frozen=True)
class ShareOperations:
    """The operations on links to jobs."""

    policy: RetryPolicy

    def create(self, job: Job | str, expires_in: int | None) -> Operation[Share]:
        """Create a link to a job."""
        body = {} if expires_in is None else {"expires_in": expires_in}
        request = Request("POST", f"{job_path(job)}/share", json=body)
        return Share.from_json((yield from exchange_json(request, self.policy)))

    def of_job(self, job: Job | str) -> Operation[tuple[Share, ...]]:
        """List the links to a job."""
        request = Request("GET", f"{job_path(job)}/shares")
        content = yield from exchange_json(request, self.policy)
        return tuple(Share.from_json(share) for share in content["items"])

    def revoke(self, job: Job | str, share: str) -> Operation[None]:
        """Revoke a link. One that is gone is no error: an earlier attempt may have revoked it."""
        try:
            path = f"{job_path(job)}/shares/{quote(share, safe='')}"
            yield from exchange(Request("DELETE", path), self.policy)
        except NotFound as error:
            if error.code != "share_not_found":
                raise
