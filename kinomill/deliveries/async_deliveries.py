"""The asyncio twin of `sync_deliveries.py`, line by line, which a test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinomill.deliveries.operations import DeliveryOperations

if TYPE_CHECKING:
    from kinomill.deliveries.records import Delivery, DeliveryPage
    from kinomill.jobs import Job
    from kinomill.retry import RetryPolicy
    from kinomill.transport.async_transport import AsyncTransport


class AsyncDeliveries:
    """The deliveries of your webhooks."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = DeliveryOperations(policy)

    async def list(
        self,
        *,
        status: str | None = None,
        url: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """List deliveries, newest first: pending, delivered or failed ones, to an address."""
        query = {"status": status, "url": url, "limit": limit, "cursor": cursor}
        return await self._transport.run(self._operations.page(query))

    async def of_job(self, job: Job | str) -> DeliveryPage:
        """List the deliveries of a job's webhook, with the attempts of each."""
        return await self._transport.run(self._operations.of_job(job))

    async def redeliver(self, delivery: Delivery | str) -> Delivery:
        """Send a webhook again, now and with all further attempts: the same id and body."""
        return await self._transport.run(self._operations.redeliver(delivery))

    async def redeliver_failed(self, url: str) -> int:
        """Send all failed webhooks to an address again. Returns how many."""
        return await self._transport.run(self._operations.redeliver_failed(url))
