"""Grouping of concurrent calls: what arrives during one batch is the next one."""

from __future__ import annotations

import asyncio

import pytest

from runtime.batching import Batcher


class Lane:
    """Doubles numbers; each batch waits for `go`."""

    def __init__(self):
        self.batches = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, items):
        self.batches.append(items)
        await self.go.wait()
        return [ValueError(item) if item < 0 else 2 * item for item in items]


def test_calls_of_one_moment_are_one_batch():
    async def main():
        lane = Lane()
        replies = await asyncio.gather(*map(Batcher([lane]), range(10)))
        return lane.batches, replies

    batches, replies = asyncio.run(main())

    assert batches == [list(range(10))]
    assert replies == [2 * number for number in range(10)]


def test_calls_that_arrive_during_a_batch_are_the_next_one():
    async def main():
        lane = Lane()
        lane.go.clear()
        batcher = Batcher([lane])
        calls = [asyncio.create_task(batcher(0))]
        await asyncio.sleep(0.01)
        calls += [asyncio.create_task(batcher(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0.01)
        lane.go.set()
        await asyncio.gather(*calls)
        return lane.batches

    assert asyncio.run(main()) == [[0], [1, 2, 3]]


def test_an_error_of_one_item_is_raised_by_its_call_alone():
    async def main():
        calls = map(Batcher([Lane()]), (1, -1, 2))
        return await asyncio.gather(*calls, return_exceptions=True)

    first, error, last = asyncio.run(main())

    assert (first, last) == (2, 4)
    assert isinstance(error, ValueError)


def test_an_error_of_the_batch_is_raised_by_all_and_the_lane_goes_on():
    async def broken(items):
        if 0 in items:
            raise OSError("down")
        return items

    async def main():
        batcher = Batcher([broken])
        failed = await asyncio.gather(*map(batcher, (0, 1)), return_exceptions=True)
        return failed, await batcher(5)

    failed, later = asyncio.run(main())

    assert [type(error) for error in failed] == [OSError, OSError]
    assert later == 5


def test_a_canceled_call_does_not_disturb_the_others():
    async def main():
        lane = Lane()
        lane.go.clear()
        batcher = Batcher([lane])
        calls = [asyncio.create_task(batcher(number)) for number in (1, 2)]
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(batcher(3))
        await asyncio.sleep(0)
        calls[0].cancel()
        waiting.cancel()
        lane.go.set()
        return await calls[1], lane.batches, await batcher(4)

    reply, batches, later = asyncio.run(main())

    assert (reply, later) == (4, 8)
    assert batches == [[1, 2], [4]]


@pytest.mark.parametrize("lanes", [1, 2])
def test_lanes_work_side_by_side(lanes):
    async def main():
        both = [Lane() for _ in range(lanes)]
        for lane in both:
            lane.go.clear()
        batcher = Batcher(both)
        calls = []
        for number in (1, 2):
            calls.append(asyncio.create_task(batcher(number)))
            await asyncio.sleep(0.01)
        started = sum(len(lane.batches) for lane in both)
        for lane in both:
            lane.go.set()
        await asyncio.gather(*calls)
        await batcher.close()
        return started

    assert asyncio.run(main()) == lanes
