"""Deliveries of webhooks: list them, send them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinomill.deliveries.operations import DeliveryOperations

if TYPE_CHECKING:
    from kinomill.deliveries.records import Delivery, DeliveryPage
    from kinomill.jobs import Job
    from kinomill.retry import RetryPolicy
    from kinomill.transport.sync_transport import Transport


class Deliveries:
    """The deliveries of your webhooks."""

    def __init__(self, transport: Transport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = DeliveryOperations(policy)

    def list(
        self,
        *,
        status: str | None = None,
        url: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """List deliveries, newest first: pending, delivered or failed ones, to an address."""
        query = {"status": status, "url": url, "limit": limit, "cursor": cursor}
        return self._transport.run(self._operations.page(query))

    def of_job(self, job: Job | str) -> DeliveryPage:
        """List the deliveries of a job's webhook, with the attempts of each."""
        return self._transport.run(self._operations.of_job(job))

    def redeliver(self, delivery: Delivery | str) -> Delivery:
        """Send a webhook again, now and with all further attempts: the same id and body."""
        return self._transport.run(self._operations.redeliver(delivery))

    def redeliver_failed(self, url: str) -> int:
        """Send all failed webhooks to an address again. Returns how many."""
        return self._transport.run(self._operations.redeliver_failed(url))
