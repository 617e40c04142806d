"""What both clients do for an operator, as operations without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kinomill.admin.records import (
    AuditEntry,
    AuditPage,
    Erasure,
    Limits,
    Maintenance,
    Queue,
    UsageDay,
    Worker,
)
from kinomill.job_parts import record
from kinomill.transport.exchange import Request, exchange, exchange_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation


ERASE_PAUSE_SECONDS = 1.0
"""Between requests that erased nothing, while jobs stop."""


@dataclass(frozen=True)
class AdminOperations:
    """The operator's operations of one client."""

    policy: RetryPolicy

    def queues(self) -> Operation[tuple[Queue, ...]]:
        """List the queues."""
        content = yield from self._call("GET", "/v1/queues")
        return tuple(Queue.from_json(queue) for queue in content["items"])

    def workers(self) -> Operation[tuple[Worker, ...]]:
        """List the workers."""
        content = yield from self._call("GET", "/v1/workers")
        return tuple(Worker.from_json(worker) for worker in content["items"])

    def overview(self) -> Operation[dict[str, Any]]:
        """Get the overview."""
        content: dict[str, Any] = yield from self._call("GET", "/v1/overview")
        return content

    def pause(self, model: str, reason: str) -> Operation[None]:
        """Pause a queue."""
        yield from self._call("POST", _path("queues", model, "pause"), {"reason": reason})

    def resume(self, model: str) -> Operation[None]:
        """Resume a queue."""
        yield from self._call("POST", _path("queues", model, "resume"))

    def purge(self, model: str, account: str | None) -> Operation[int]:
        """Cancel waiting jobs, request by request. Returns how many."""
        canceled, more = 0, True
        while more:
            body = {"account": account}
            answer = yield from self._call("POST", _path("queues", model, "purge"), body)
            canceled, more = canceled + answer["canceled"], answer["more"]
        return canceled

    def requeue(self, model: str, body: Mapping[str, Any]) -> Operation[tuple[str, ...]]:
        """Run failed jobs again, request by request. Returns the ids of the new jobs."""
        created: list[str] = []
        more = True
        while more:
            answer = yield from self._call("POST", _path("queues", model, "requeue"), body)
            created, more = created + answer["created"], answer["more"]
        return tuple(created)

    def set_drained(self, worker: str, act: str) -> Operation[None]:
        """Drain or resume a worker."""
        yield from self._call("POST", _path("workers", worker, act))

    def maintenance(self, method: str, body: Any = None) -> Operation[Maintenance]:
        """Get, start or end the maintenance mode."""
        return Maintenance.from_json((yield from self._call(method, "/v1/maintenance", body)))

    def audit(self, query: Mapping[str, Any]) -> Operation[AuditPage]:
        """Get a page of the audit log."""
        content = yield from self._call("GET", "/v1/audit", params=query)
        items = tuple(AuditEntry.from_json(entry) for entry in content["items"])
        return AuditPage(items, content["next_cursor"])

    def all_limits(self) -> Operation[tuple[Limits, ...]]:
        """List the accounts with quotas."""
        content = yield from self._call("GET", "/v1/limits")
        return tuple(record(Limits, limits) for limits in content["items"])

    def limits(self, account: str) -> Operation[Limits]:
        """Get the quotas of an account."""
        return record(Limits, (yield from self._call("GET", _path("accounts", account, "limits"))))

    def set_limits(self, account: str, body: Mapping[str, Any]) -> Operation[Limits]:
        """Set the quotas of an account."""
        path = _path("accounts", account, "limits")
        return record(Limits, (yield from self._call("PUT", path, body)))

    def delete_limits(self, account: str) -> Operation[None]:
        """Remove the quotas of an account."""
        request = Request("DELETE", _path("accounts", account, "limits"))
        yield from exchange(request, self.policy)

    def erase_account(self, account: str) -> Operation[Erasure]:
        """Erase an account, as far as one request does."""
        return record(Erasure, (yield from self._call("DELETE", _path("accounts", account))))

    def usage(self, query: Mapping[str, Any]) -> Operation[tuple[UsageDay, ...]]:
        """Get a report of usage, page by page."""
        lines: list[UsageDay] = []
        cursor = None
        while True:
            params = {**query, "limit": 10_000, "cursor": cursor}
            content = yield from self._call("GET", "/v1/usage", params=params)
            lines += [UsageDay.from_json(line) for line in content["items"]]
            cursor = content["next_cursor"]
            if cursor is None:
                return tuple(lines)

    def _call(
        self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> Operation[dict[str, Any]]:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        request = Request(method, path, params=given, json=body)
        return (yield from exchange_json(request, self.policy))


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
