"""Accounts share threads and slots: one that sends many requests does not make others wait."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from sqlalchemy import text

from accounts import api_keys
from accounts.api_keys import Scope
from api.context.calls import DATABASE_THREADS, Threads
from api.context.sharing.fair_slots import ALL_CALLERS, CALLER, FairSlots
from api.context.sharing.turns import SLICE_BYTES, Turns
from tests.api.serving import restored_logging, serving
from tests.jobs.build import submitted
from tests.waiting import until


async def line_up(slots, account, names, order):
    """Start what takes a slot, in this order, and notes its name once it has one."""

    async def one(name):
        await slots.take(account)
        order.append(name)

    tasks = [asyncio.create_task(one(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


def test_an_account_holds_its_share_at_most_and_others_have_the_rest():
    async def main():
        slots, order = FairSlots(4, share=2), []
        waiting = await line_up(slots, "a", ["a1", "a2", "a3", "a4"], order)
        waiting += await line_up(slots, "b", ["b1", "b2"], order)
        before = list(order)
        slots.release("a")
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        return before, order

    assert asyncio.run(main()) == (["a1", "a2", "b1", "b2"], ["a1", "a2", "b1", "b2", "a3"])


def test_where_no_keys_are_required_the_callers_may_hold_all_slots():
    async def main():
        slots, order = FairSlots(4, share=2), []
        for task in await line_up(slots, ALL_CALLERS, "12345", order):
            task.cancel()
        return order

    assert asyncio.run(main()) == ["1", "2", "3", "4"]


def test_accounts_that_wait_take_turns():
    async def main():
        slots, order = FairSlots(1, share=1), []
        await slots.take("first")
        for account in "abc":
            await line_up(slots, account, [f"{account}{n}" for n in (1, 2)], order)
        slots.release("first")
        for turn in range(6):
            await asyncio.sleep(0)
            assert len(order) == turn + 1
            slots.release(order[-1][0])
        return order

    assert asyncio.run(main()) == ["a1", "b1", "c1", "a2", "b2", "c2"]


@pytest.mark.parametrize("moment", ["waiting", "given"])
def test_a_request_that_gives_up_leaves_no_slot_taken(moment):
    async def main():
        slots, order = FairSlots(1, share=1), []
        await slots.take("a")
        (gone,) = await line_up(slots, "a", ["gone"], order)
        if moment == "given":
            slots.release("a")
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        if moment == "waiting":
            slots.release("a")
        await asyncio.wait_for(slots.take("b"), 5)
        return order

    assert asyncio.run(main()) == []


def test_calls_of_one_account_leave_threads_to_others():
    go_on = threading.Event()

    async def called(threads, account, call):
        CALLER.set(account)
        return await threads.run(call)

    async def main():
        threads = Threads("tested", 4)
        slow = [asyncio.create_task(called(threads, "a", go_on.wait)) for _ in range(50)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(called(threads, "b", lambda: "served"), 30)
        finally:
            go_on.set()
            await asyncio.gather(*slow)
            threads.close()

    assert asyncio.run(main()) == "served"


def test_a_thread_that_exceeds_the_deadline_is_not_given_to_others_before_it_ends():
    go_on = threading.Event()

    async def main():
        threads = Threads("tested", 1, deadline_seconds=0.05)
        with pytest.raises(TimeoutError):
            await threads.run(go_on.wait)
        with pytest.raises(TimeoutError):
            await threads.run(lambda: "too soon")
        go_on.set()
        threads.deadline_seconds = 30
        return await threads.run(lambda: "served")

    assert asyncio.run(main()) == "served"


def test_a_piece_of_a_body_waits_for_two_pieces_of_many_others_at_most(monkeypatch):
    monkeypatch.setattr("api.context.sharing.turns.TURN_SECONDS", 0.0)

    async def main():
        turns, order = Turns(), []

        async def feed(account, pieces):
            CALLER.set(account)
            for _ in range(pieces):
                await turns.feed(lambda _: order.append(account), b"x" * 2 * SLICE_BYTES)

        many = [asyncio.create_task(feed("a", 20)) for _ in range(10)]
        await asyncio.sleep(0)
        await feed("b", 5)
        before = order.count("a")
        await asyncio.gather(*many)
        return before

    slices_of_a_piece = 2
    assert asyncio.run(main()) <= (2 * 5 + 1) * slices_of_a_piece


def test_an_account_whose_requests_hang_leaves_the_database_to_others(make_settings, sessions):
    """Every thread for calls of the database waited for the lock of one job."""
    with sessions() as session, session.begin():
        hanging, other = (
            api_keys.create(session, account=name, name="", scopes=[Scope.READ, Scope.SUBMIT])[1]
            for name in ("hanging", "other")
        )
    job = submitted(sessions, account="hanging")
    with (
        restored_logging(),
        serving(make_settings, auth="keys") as url,
        ThreadPoolExecutor(2 * DATABASE_THREADS) as pool,
        sessions() as locking,
    ):
        locking.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job})
        cancel = f"{url}/v1/jobs/{job}/cancel"
        calls = [
            pool.submit(httpx.post, cancel, headers=bearer(hanging), timeout=60)
            for _ in range(2 * DATABASE_THREADS)
        ]
        until(lambda: waiting_for_locks(sessions) >= (DATABASE_THREADS + 1) // 2, what="the lock")
        answer = httpx.get(f"{url}/v1/jobs", headers=bearer(other), timeout=5)
        assert not any(call.done() for call in calls)
        locking.rollback()
        statuses = {call.result().status_code for call in calls}

    assert answer.status_code == 200
    assert statuses == {202, 409}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def waiting_for_locks(sessions):
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with sessions() as session:
        return session.scalar(text(query))
