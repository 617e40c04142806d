"""What both clients do with batches, as operations without I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kinomill.batches.records import Batch, BatchPage, RowResult
from kinomill.transport.downloads import PartialFile
from kinomill.transport.exchange import Request, exchange, exchange_json

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from kinomill.retry import RetryPolicy
    from kinomill.transport.downloads import OnDownload
    from kinomill.transport.exchange import Operation

PATH: Final = "/v1/batches"
SUBMIT_SECONDS: Final = 120.0
"""How long the server may check and store 10,000 rows, beside the timeout of the client."""


@dataclass(frozen=True)
class NewBatch:
    """What `submit` was called with."""

    rows: Iterable[Mapping[str, Any] | None]
    idempotency_key: str
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> Request:
        """Return the request; a row that is None is an empty line, which only counts."""
        lines = ("" if row is None else json.dumps(row) for row in self.rows)
        given = {name: value for name, value in self.options.items() if value is not None}
        labels = [f"{name}:{value}" for name, value in self.labels.items()]
        return Request(
            "POST",
            PATH,
            params=given | ({"label": labels} if labels else {}),
            headers={
                "Content-Type": "application/x-ndjson",
                "Idempotency-Key": self.idempotency_key,
            },
            body="\n".join(lines).encode(),
            hold_seconds=SUBMIT_SECONDS,
        )


@dataclass(frozen=True)
class BatchOperations:
    """The operations on batches of one client."""

    policy: RetryPolicy

    def submit(self, new: NewBatch) -> Operation[Batch]:
        """Submit all rows, or none of them."""
        return Batch.from_json((yield from exchange_json(new.request(), self.policy)))

    def page(self, query: Mapping[str, Any]) -> Operation[BatchPage]:
        """Get one page of batches."""
        params = {name: value for name, value in query.items() if value is not None}
        request = Request("GET", PATH, params=params)
        return BatchPage.from_json((yield from exchange_json(request, self.policy)))

    def get(self, batch: Batch | str, delay: float = 0) -> Operation[Batch]:
        """Get one batch, after a pause."""
        request = Request("GET", _path(batch), delay_seconds=delay)
        return Batch.from_json((yield from exchange_json(request, self.policy)))

    def act(self, batch: Batch | str, verb: str) -> Operation[Batch]:
        """Cancel or retry a batch."""
        request = Request("POST", f"{_path(batch)}/{verb}", hold_seconds=SUBMIT_SECONDS)
        return Batch.from_json((yield from exchange_json(request, self.policy)))

    def results(self, batch: Batch | str, status: str | None) -> Operation[tuple[RowResult, ...]]:
        """Get what became of each row."""
        params = {} if status is None else {"status": status}
        request = Request("GET", f"{_path(batch)}/results", params=params)
        response = yield from exchange(request, self.policy)
        # bytes are split at line ends alone, text also at characters that JSON may hold
        lines = response.content.splitlines()
        return tuple(RowResult.from_json(json.loads(line)) for line in lines)

    def download(
        self, batch: Batch | str, to: str | os.PathLike[str], on_progress: OnDownload | None
    ) -> Operation[Path]:
        """Save the archive of all results."""
        target = Path(to)
        if target.is_dir() or str(to).endswith("/"):
            target /= f"{_id(batch)}.zip"
        with PartialFile(target, on_progress) as file:
            request = Request("GET", f"{_path(batch)}/archive", save_to=file)
            yield from exchange(request, self.policy)
            return file.complete()


def _id(batch: Batch | str) -> str:
    return batch.id if isinstance(batch, Batch) else batch


def _path(batch: Batch | str) -> str:
    return f"{PATH}/{quote(_id(batch), safe='')}"
