"""Slots for uploads and batches: who waits for one, and for how long."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError

from api.context.sharing.upload_slots import UploadSlots
from jobs.errors import RequestError
from runtime.async_database import DatabaseTimeout


def errors_of_waiting(error, *, waiting=3):
    """What those get that wait for the only slot, which is released with this error."""

    async def one(slots):
        await slots.take("a")
        slots.release("a")

    async def main():
        slots = UploadSlots(1, what="files")
        await slots.take("a")
        calls = [asyncio.create_task(one(slots)) for _ in range(waiting)]
        await asyncio.sleep(0)
        slots.release("a", error)
        found = await asyncio.gather(*calls, return_exceptions=True)
        await one(slots)  # no slot is lost
        return [type(each) for each in found]

    return asyncio.run(main())


@pytest.mark.parametrize(
    "outage",
    [
        DatabaseTimeout("no reply within 10 s"),
        psycopg.OperationalError("connection timeout expired"),
        OperationalError(None, None, psycopg.OperationalError("connection refused")),
    ],
)
def test_a_database_that_does_not_respond_refuses_also_those_that_wait_for_a_slot(outage):
    assert errors_of_waiting(outage) == [psycopg.OperationalError] * 3


@pytest.mark.parametrize(
    "error", [None, LockNotAvailable("lock timeout"), OSError("gone"), asyncio.CancelledError()]
)
def test_other_errors_are_those_of_one_request(error):
    assert errors_of_waiting(error) == [type(None)] * 3


def test_a_slot_that_never_gets_free_is_refused_as_too_many_uploads(monkeypatch):
    monkeypatch.setattr("api.context.sharing.upload_slots.SLOT_SECONDS", 0.01)

    async def main():
        slots = UploadSlots(1, what="batches")
        await slots.take("a")
        await slots.take("a")

    with pytest.raises(RequestError, match="as many batches as it can") as refused:
        asyncio.run(main())

    assert refused.value.code == "too_many_uploads"
