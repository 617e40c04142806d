"""The asyncio twin of `sync_batches.py`, line by line, which a test holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kinomill.batches.operations import BatchOperations, NewBatch

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from kinomill.batches.records import Batch, BatchPage, RowResult
    from kinomill.retry import RetryPolicy
    from kinomill.transport.async_transport import AsyncTransport
    from kinomill.transport.downloads import OnDownload


class AsyncBatches:
    """The batches of your account."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = BatchOperations(policy)

    async def submit(  # noqa: PLR0913 - each is a part of a submission
        self,
        rows: Iterable[Mapping[str, Any] | None],
        *,
        model: str | None = None,
        labels: Mapping[str, str] | None = None,
        priority: str | None = None,
        ttl_seconds: int | None = None,
        webhook: str | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Submit up to 10,000 rows, all of them or none.

        A row is a submission: `{"input": {…}}`, and what it does not share with the others:
        `model`, `key` (its own Idempotency-Key), `labels`, `priority`, `ttl_seconds`, `webhook`.
        Its media are URLs or ids of files. Raises `InvalidInput`: its `rows` are the wrong ones.
        """
        options = {
            "model": model,
            "priority": priority,
            "ttl_seconds": ttl_seconds,
            "webhook": webhook,
        }
        new = NewBatch(rows, idempotency_key or uuid4().hex, options, labels or {})
        return await self._transport.run(self._operations.submit(new))

    async def get(self, batch: Batch | str) -> Batch:
        """Get a batch: its rows by status, failed ones by code, and when it will have ended."""
        return await self._transport.run(self._operations.get(batch))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> BatchPage:
        """List your batches, newest first: one page, without their counts."""
        return await self._transport.run(self._operations.page({"limit": limit, "cursor": cursor}))

    async def wait(
        self,
        batch: Batch | str,
        *,
        on_update: Callable[[Batch], object] | None = None,
        poll_seconds: float = 2.0,
    ) -> Batch:
        """Wait until no row is unfinished; `on_update` is called with each state of the batch."""
        found = await self.get(batch)
        while not found.done:
            if on_update is not None:
                on_update(found)
            await asyncio.sleep(poll_seconds)
            found = await self.get(batch)
        if on_update is not None:
            on_update(found)
        return found

    async def cancel(self, batch: Batch | str) -> Batch:
        """Cancel all rows that have not ended; running jobs stop at their next step."""
        return await self._transport.run(self._operations.act(batch, "cancel"))

    async def retry(self, batch: Batch | str) -> Batch:
        """Submit all failed rows again, each as a new job with the same input."""
        return await self._transport.run(self._operations.act(batch, "retry"))

    async def results(
        self, batch: Batch | str, *, status: str | None = None
    ) -> tuple[RowResult, ...]:
        """Get what became of each row, or of those with this status."""
        return await self._transport.run(self._operations.results(batch, status))

    async def download(
        self,
        batch: Batch | str,
        to: str | os.PathLike[str] = ".",
        *,
        on_progress: OnDownload | None = None,
    ) -> Path:
        """Save all results as one ZIP archive: `to` is a file or a folder."""
        return await self._transport.run(self._operations.download(batch, to, on_progress))
