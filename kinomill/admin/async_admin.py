"""The operator's part of the asyncio client: line by line the twin of `sync_admin.py`."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from kinomill.admin.operations import ERASE_PAUSE_SECONDS, AdminOperations

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinomill.admin.records import (
        AuditPage,
        Erasure,
        Limits,
        Maintenance,
        Queue,
        UsageDay,
        Worker,
    )
    from kinomill.retry import RetryPolicy
    from kinomill.transport.async_transport import AsyncTransport


class AsyncAdmin:
    """Acts of an operator, with a key of scope `admin`: queues, workers, quotas, audit log."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = AdminOperations(policy)

    async def queues(self) -> tuple[Queue, ...]:
        """List the queue of each model: waiting, running and held jobs, the oldest, a pause."""
        return await self._transport.run(self._operations.queues())

    async def overview(self) -> dict[str, Any]:
        """Get the state of the installation as `kinomill top` shows it, with its alerts."""
        return await self._transport.run(self._operations.overview())

    async def pause(self, model: str, *, reason: str = "") -> None:
        """Let no job of a model begin; callers see the reason, and new jobs are accepted."""
        await self._transport.run(self._operations.pause(model, reason))

    async def resume(self, model: str) -> None:
        """Let the jobs of a model begin again."""
        await self._transport.run(self._operations.resume(model))

    async def purge(self, model: str, *, account: str | None = None) -> int:
        """Cancel the waiting jobs of a model, or those of one account. Returns how many."""
        return await self._transport.run(self._operations.purge(model, account))

    async def requeue(
        self,
        model: str,
        *,
        since: dt.datetime,
        until: dt.datetime | None = None,
        code: str | None = None,
        account: str | None = None,
    ) -> tuple[str, ...]:
        """Run the failed jobs of a time again, once each. Returns the ids of the new jobs.

        `code` is that of their error, e.g. worker_lost.
        """
        body = {
            "since": since.isoformat(),
            "until": (until or dt.datetime.now(dt.UTC)).isoformat(),
            "code": code,
            "account": account,
        }
        return await self._transport.run(self._operations.requeue(model, body))

    async def workers(self) -> tuple[Worker, ...]:
        """List the registered workers."""
        return await self._transport.run(self._operations.workers())

    async def drain(self, worker: str) -> None:
        """Let a worker take no job from now on; it finishes its own and goes on running."""
        await self._transport.run(self._operations.set_drained(worker, "drain"))

    async def resume_worker(self, worker: str) -> None:
        """Let a drained worker take jobs again."""
        await self._transport.run(self._operations.set_drained(worker, "resume"))

    async def maintenance(self) -> Maintenance:
        """Get whether submissions are refused."""
        return await self._transport.run(self._operations.maintenance("GET"))

    async def start_maintenance(
        self, *, reason: str = "", retry_after_seconds: int = 300
    ) -> Maintenance:
        """Refuse submissions; reads and workers go on."""
        body = {"reason": reason, "retry_after_seconds": retry_after_seconds}
        return await self._transport.run(self._operations.maintenance("PUT", body))

    async def end_maintenance(self) -> Maintenance:
        """Accept submissions again."""
        return await self._transport.run(self._operations.maintenance("DELETE"))

    async def audit(
        self,
        *,
        act: str | None = None,
        actor: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> AuditPage:
        """Get what operators did and changes of keys, newest first, older than `before`."""
        query = {"act": act, "actor": actor, "subject": subject, "before": before, "limit": limit}
        return await self._transport.run(self._operations.audit(query))

    async def all_limits(self) -> tuple[Limits, ...]:
        """List the accounts with quotas."""
        return await self._transport.run(self._operations.all_limits())

    async def limits(self, account: str) -> Limits:
        """Get the quotas of an account."""
        return await self._transport.run(self._operations.limits(account))

    async def set_limits(
        self,
        account: str,
        *,
        jobs_per_day: int | None = None,
        gpu_seconds_per_day: float | None = None,
        stored_bytes: int | None = None,
        submissions_per_minute: int | None = None,
        burst: int | None = None,
    ) -> Limits:
        """Set all quotas of an account; what is left out has no limit."""
        body = {
            "jobs_per_day": jobs_per_day,
            "gpu_seconds_per_day": gpu_seconds_per_day,
            "stored_bytes": stored_bytes,
            "submissions_per_minute": submissions_per_minute,
            "burst": burst,
        }
        return await self._transport.run(self._operations.set_limits(account, body))

    async def delete_limits(self, account: str) -> None:
        """Remove all quotas of an account."""
        await self._transport.run(self._operations.delete_limits(account))

    async def erase_account(
        self,
        account: str,
        *,
        timeout: float = 60.0,
        on_progress: Callable[[Erasure], object] | None = None,
    ) -> Erasure:
        """Erase an account for good: its keys, jobs, files, batches and quotas.

        Usage and the audit log stay. Jobs that run are asked to stop; if one has not after
        `timeout` seconds, the result is not `complete`: call it again.
        """
        until = time.monotonic() + timeout
        erased = await self._transport.run(self._operations.erase_account(account))
        while not erased.complete:
            if on_progress is not None:
                on_progress(erased)
            before = erased
            erased += await self._transport.run(self._operations.erase_account(account))
            if erased.jobs + erased.files == before.jobs + before.files:
                if time.monotonic() > until:
                    break
                await asyncio.sleep(ERASE_PAUSE_SECONDS)
        return erased

    async def usage(
        self,
        *,
        since: dt.date | None = None,
        until: dt.date | None = None,
        account: str | None = None,
        model: str | None = None,
    ) -> tuple[UsageDay, ...]:
        """Report usage by day (UTC), account and model: yours, another account's, or `*` for all.

        `since` and `until` are days; the default is the last 30.
        """
        query = {
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
            "account": account,
            "model": model,
        }
        return await self._transport.run(self._operations.usage(query))
