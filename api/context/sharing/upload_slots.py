"""How many bodies with files or rows one process receives at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import psycopg

from api.context.sharing.fair_slots import FairSlots
from jobs.errors import ErrorCode, RequestError

SLOT_SECONDS: Final = 10.0
"""How long a request waits for a slot."""


class UploadSlots:
    """Slots for a number of requests; further ones wait for one. A quarter is left to others.

    A slot that is released because the database does not respond refuses all that wait, too:
    each would wait for the database as long again.
    """

    def __init__(self, number: int, *, what: str) -> None:
        """`what` is what the requests bring, as callers read it."""
        self._slots = FairSlots(number, share=max(1, number - max(1, number // 4)))
        self._what = what
        self._waiting: dict[asyncio.Timeout, Exception] = {}

    async def take(self, account: str | None) -> None:
        """Take a slot for a request of the account, until `release`.

        Raises `RequestError` (too_many_uploads), and `psycopg.OperationalError` during an outage.
        """
        limit = asyncio.timeout(SLOT_SECONDS)
        self._waiting[limit] = self._refusal()
        try:
            async with limit:
                await self._slots.take(account)
        except TimeoutError as error:
            raise self._waiting[limit] from error
        finally:
            del self._waiting[limit]

    def release(self, account: str | None, error: BaseException | None = None) -> None:
        """Give a slot of the account back. `error` is that of the request which had it."""
        if _is_outage(error):
            for limit in [one for one in self._waiting if not one.expired()]:
                self._waiting[limit] = psycopg.OperationalError(str(error))
                limit.reschedule(0)
        self._slots.release(account)

    def _refusal(self) -> RequestError:
        return RequestError(
            ErrorCode.TOO_MANY_UPLOADS,
            f"The server receives as many {self._what} as it can at once. Try again later.",
            retryable=True,
            retry_after=timedelta(seconds=SLOT_SECONDS),
        )


def _is_outage(error: BaseException | None) -> bool:
    """Whether the database did not respond; an error that it reported has a code."""
    cause = getattr(error, "orig", error)
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
