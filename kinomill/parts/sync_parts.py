"""What a client has beside its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinomill.admin.sync_admin import Admin
    from kinomill.batches.sync_batches import Batches
    from kinomill.deliveries.sync_deliveries import Deliveries
    from kinomill.files.sync_files import Files
    from kinomill.operations import Operations
    from kinomill.shares.sync_shares import Shares
    from kinomill.transport.sync_transport import Transport


class Parts:
    """Parts of a client, each imported when it is used first."""

    _operations: Operations
    _transport: Transport

    @property
    def admin(self) -> Admin:
        """Acts of an operator, for a key of scope `admin`: queues, workers, quotas, audit log."""
        from kinomill.admin.sync_admin import Admin

        return Admin(self._transport, self._operations.policy)

    @property
    def batches(self) -> Batches:
        """Your batches: up to 10,000 rows in one request, followed together."""
        from kinomill.batches.sync_batches import Batches

        return Batches(self._transport, self._operations.policy)

    @property
    def deliveries(self) -> Deliveries:
        """Deliveries of your webhooks: listed with their attempts, sent again."""
        from kinomill.deliveries.sync_deliveries import Deliveries

        return Deliveries(self._transport, self._operations.policy)

    @property
    def files(self) -> Files:
        """Your files: uploaded once, named in any number of jobs."""
        from kinomill.files.sync_files import Files

        return Files(self._transport, self._operations.policy)

    @property
    def shares(self) -> Shares:
        """Links to your jobs for people without a key."""
        from kinomill.shares.sync_shares import Shares

        return Shares(self._transport, self._operations.policy)
