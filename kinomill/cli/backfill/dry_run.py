"""`kinomill backfill --dry-run`: the server checks every row as a submission; no job is created."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinomill.errors import ApiError, InputFileError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.cli.backfill.display import Messages
    from kinomill.cli.backfill.retry import RetryUntilStopped
    from kinomill.cli.backfill.rows import Row, Rows
    from kinomill.client import Client


@dataclass(frozen=True)
class DryRun:
    """Checks rows, some at once."""

    client: Client
    retry: RetryUntilStopped
    model: str
    concurrency: int
    ttl_seconds: int | None = None

    def check(self, rows: Rows, messages: Messages) -> tuple[int, int]:
        """Check all rows and print what is wrong with each: (valid, all)."""
        count = 0
        for row, error in self._checked(rows):
            count += 1
            if error:
                messages.error(row.number, error)
        return count - messages.errors, count

    def _checked(self, rows: Rows) -> Iterator[tuple[Row, str | None]]:
        """Yield the rows in order, each with its error; at most some are read ahead."""
        ahead: deque[tuple[Row, Future[str | None]]] = deque()
        with ThreadPoolExecutor(self.concurrency) as pool:
            for row in rows:
                ahead.append((row, pool.submit(self._error, row)))
                if len(ahead) > self.concurrency:
                    first, error = ahead.popleft()
                    yield first, error.result()
            while ahead:
                first, error = ahead.popleft()
                yield first, error.result()

    def _error(self, row: Row) -> str | None:
        if row.error:
            return row.error
        inputs = {**row.values, **row.files}
        try:
            self.retry.call(
                self.client.check,
                self.model,
                inputs,
                labels=row.labels,
                ttl_seconds=self.ttl_seconds,
            )
        except InvalidInput as error:
            return "; ".join(_messages(error)) or str(error)
        except InputFileError as error:
            return str(error)
        return None


def _messages(error: ApiError) -> list[str]:
    return [
        f"{field.pointer.removeprefix('/input/').lstrip('/')}: {field.message}"
        for field in error.errors
    ]
