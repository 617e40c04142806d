"""Waits for the ends of jobs: one statement a tick for all, and hints that wake at once."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack

import pytest

from api.context.job_changes import TICK_SECONDS, AccountFollower, JobChanges
from jobs.queue.end_hints import CHANNEL, publish_ended
from jobs.rows import AccountLook, JobVersion, Versions
from tests.api.serving import closed_port
from tests.waiting import until

NOWHERE = "redis://127.0.0.1:{}/0"


class Jobs:
    """Jobs that have ended, and the questions about them."""

    def __init__(self):
        self.ended = set()
        self.asked = []
        self.asked_accounts = []

    async def find_versions(self, ids, accounts, since):
        self.asked.append(set(ids))
        self.asked_accounts.append(set(accounts))
        versions = {job_id: JobVersion("1", job_id in self.ended) for job_id in ids}
        return Versions(versions, {account: AccountLook({}, 1.0, {}) for account in accounts})


def subscribers(redis):
    """Number of subscribers; other tests' apps may be among them."""
    return redis.pubsub_numsub(CHANNEL)[0][1]


def run(jobs, url, use):
    """Run `use` with waits on these jobs; returns what it returns."""

    async def main():
        ends = JobChanges(jobs.find_versions, url)
        try:
            return await use(ends)
        finally:
            await ends.close()

    return asyncio.run(main())


async def waiting(ends, job_id, seconds=10):
    with ends.watch(job_id) as ended:
        await asyncio.wait_for(ended.wait(), seconds)
        return time.monotonic()


def test_a_thousand_waits_cost_one_statement_a_tick():
    jobs = Jobs()

    async def use(ends):
        began = time.monotonic()
        waits = [asyncio.create_task(waiting(ends, f"job_{number}")) for number in range(1000)]
        await asyncio.sleep(2.2 * TICK_SECONDS)
        jobs.ended = {f"job_{number}" for number in range(1000)}
        await asyncio.gather(*waits)
        return time.monotonic() - began

    seconds = run(jobs, NOWHERE.format(closed_port()), use)

    assert len(jobs.asked) <= seconds / TICK_SECONDS + 1
    assert all(len(ids) == 1000 for ids in jobs.asked)


def test_streams_of_jobs_and_accounts_share_the_statement_of_a_tick():
    jobs = Jobs()

    async def use(ends):
        with ExitStack() as followed:
            for number in range(500):
                followed.enter_context(ends.follow(f"job_{number}"))
                follower = followed.enter_context(ends.follow_account(f"account_{number % 10}"))
            began = time.monotonic()
            await asyncio.wait_for(follower.changed.wait(), 10)
            await asyncio.sleep(2 * TICK_SECONDS)
            return time.monotonic() - began

    seconds = run(jobs, NOWHERE.format(closed_port()), use)

    assert len(jobs.asked) <= seconds / TICK_SECONDS + 1
    assert all(len(ids) == 500 for ids in jobs.asked)
    assert all(len(accounts) == 10 for accounts in jobs.asked_accounts)


def test_a_look_without_a_change_wakes_nobody():
    follower = AccountFollower()
    follower.notify(AccountLook({"job_a": JobVersion("1", False)}, 1.0, {}))
    follower.changed.clear()

    follower.notify(AccountLook({"job_a": JobVersion("1", False)}, 2.0, {}))
    unchanged = follower.changed.is_set()
    follower.notify(AccountLook({"job_a": JobVersion("2", False)}, 3.0, {}))

    assert not unchanged
    assert follower.changed.is_set()
    assert follower.look.at == 3.0


def test_a_hint_wakes_its_wait_before_the_next_tick(broker_url, redis, monkeypatch):
    monkeypatch.setattr("api.context.job_changes.TICK_SECONDS", 30)
    jobs, before = Jobs(), subscribers(redis)

    async def use(ends):
        wait = asyncio.create_task(waiting(ends, "job_a"))
        other = asyncio.create_task(waiting(ends, "job_b", 30))
        await asyncio.to_thread(until, lambda: subscribers(redis) > before, what="the subscription")
        jobs.ended = {"job_a", "job_b"}
        hinted = time.monotonic()
        publish_ended(redis, ["job_x", "job_a"])
        woken = await wait
        assert not other.done()
        other.cancel()
        return woken - hinted

    assert run(jobs, broker_url, use) < 5
    assert jobs.asked == [{"job_a"}]


def test_a_lost_hint_is_found_at_the_next_tick_while_others_arrive(broker_url, redis, monkeypatch):
    monkeypatch.setattr("api.context.job_changes.TICK_SECONDS", 0.3)
    jobs, before = Jobs(), subscribers(redis)
    stopped = threading.Event()

    def keep_hinting():
        while not stopped.wait(0.02):
            publish_ended(redis, ["job_b"])

    async def use(ends):
        lost = asyncio.create_task(waiting(ends, "job_a", 5))
        other = asyncio.create_task(waiting(ends, "job_b", 30))
        await asyncio.to_thread(until, lambda: subscribers(redis) > before, what="the subscription")
        hinting = threading.Thread(target=keep_hinting)
        hinting.start()
        jobs.ended = {"job_a"}
        try:
            await lost
        finally:
            stopped.set()
            hinting.join()
            other.cancel()

    run(jobs, broker_url, use)

    assert {"job_a", "job_b"} in jobs.asked


@pytest.mark.parametrize("hinted", ["job_x", "", "\xff"])
def test_other_hints_ask_nothing(broker_url, redis, monkeypatch, hinted):
    monkeypatch.setattr("api.context.job_changes.TICK_SECONDS", 30)
    jobs, before = Jobs(), subscribers(redis)

    async def use(ends):
        wait = asyncio.create_task(waiting(ends, "job_a"))
        await asyncio.to_thread(until, lambda: subscribers(redis) > before, what="the subscription")
        publish_ended(redis, [hinted])
        await asyncio.sleep(0.1)
        wait.cancel()

    run(jobs, broker_url, use)

    assert jobs.asked == []


def test_nothing_is_asked_while_nobody_waits():
    jobs = Jobs()

    async def use(ends):
        jobs.ended = {"job_a"}
        await waiting(ends, "job_a")
        asked = len(jobs.asked)
        await asyncio.sleep(2 * TICK_SECONDS)
        return asked

    assert run(jobs, NOWHERE.format(closed_port()), use) == len(jobs.asked)


def test_the_end_of_the_program_ends_all_waits():
    jobs = Jobs()

    async def use(ends):
        wait = asyncio.create_task(waiting(ends, "job_a", 30))
        await asyncio.sleep(0)
        await ends.close()
        await wait

    run(jobs, NOWHERE.format(closed_port()), use)
