"""Links to jobs, for asyncio. Line by line the twin of `sync_shares.py`, which a test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinomill.shares.operations import ShareOperations

if TYPE_CHECKING:
    from kinomill.job_parts import Share
    from kinomill.jobs import Job
    from kinomill.retry import RetryPolicy
    from kinomill.transport.async_transport import AsyncTransport


class AsyncShares:
    """The links to your jobs: whoever has one needs no key."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = ShareOperations(policy)

    async def create(self, job: Job | str, *, expires_in: int | None = None) -> Share:
        """Create a link to a job; see `share.url`.

        `expires_in`: seconds until it ends, a minute to 30 days; default: 7 days.
        """
        return await self._transport.run(self._operations.create(job, expires_in))

    async def list(self, job: Job | str) -> tuple[Share, ...]:
        """List the links to a job that are valid, newest first."""
        return await self._transport.run(self._operations.of_job(job))

    async def revoke(self, job: Job | str, share: Share | str) -> None:
        """Revoke a link, or the one with this id; a missing one is no error."""
        share_id = share if isinstance(share, str) else share.id
        await self._transport.run(self._operations.revoke(job, share_id))
