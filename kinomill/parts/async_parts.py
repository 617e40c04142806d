"""The asyncio twin of `sync_parts.py`, line by line, which a test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinomill.admin.async_admin import AsyncAdmin
    from kinomill.batches.async_batches import AsyncBatches
    from kinomill.deliveries.async_deliveries import AsyncDeliveries
    from kinomill.files.async_files import AsyncFiles
    from kinomill.operations import Operations
    from kinomill.shares.async_shares import AsyncShares
    from kinomill.transport.async_transport import AsyncTransport


class AsyncParts:
    """Parts of a client, each imported when it is used first."""

    _operations: Operations
    _transport: AsyncTransport

    @property
    def admin(self) -> AsyncAdmin:
        """Acts of an operator, for a key of scope `admin`: queues, workers, quotas, audit log."""
        from kinomill.admin.async_admin import AsyncAdmin

        return AsyncAdmin(self._transport, self._operations.policy)

    @property
    def batches(self) -> AsyncBatches:
        """Your batches: up to 10,000 rows in one request, followed together."""
        from kinomill.batches.async_batches import AsyncBatches

        return AsyncBatches(self._transport, self._operations.policy)

    @property
    def deliveries(self) -> AsyncDeliveries:
        """Deliveries of your webhooks: listed with their attempts, sent again."""
        from kinomill.deliveries.async_deliveries import AsyncDeliveries

        return AsyncDeliveries(self._transport, self._operations.policy)

    @property
    def files(self) -> AsyncFiles:
        """Your files: uploaded once, named in any number of jobs."""
        from kinomill.files.async_files import AsyncFiles

        return AsyncFiles(self._transport, self._operations.policy)

    @property
    def shares(self) -> AsyncShares:
        """Links to your jobs for people without a key."""
        from kinomill.shares.async_shares import AsyncShares

        return AsyncShares(self._transport, self._operations.policy)
