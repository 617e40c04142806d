"""The order in which the ranges of a file are downloaded."""

from __future__ import annotations

from weights.download.download_plan import (
    MIN_SPLIT_BYTES,
    DownloadPlan,
    missing_ranges,
    split_into_parts,
)

MIB = 1024 * 1024


def test_a_plan_assigns_the_missing_ranges_in_order():
    plan = DownloadPlan(100, 30, written=[(10, 20), (15, 40)])

    assigned = [plan.next_part(0) for _ in range(4)]

    ranges = [(part.offset, part.end) for part in assigned[:3]]
    assert ranges == [(0, 10), (40, 70), (70, 100)]
    assert assigned[3] is None
    assert plan.done_bytes == 30


def test_contiguous_bytes_end_at_the_first_missing_byte():
    plan = DownloadPlan(100, 50)
    first, second = plan.next_part(0), plan.next_part(0)
    seen = [plan.contiguous_bytes]

    plan.record_written(second, 50)
    seen.append(plan.contiguous_bytes)
    plan.record_written(first, 20)
    seen.append(plan.contiguous_bytes)
    plan.requeue(first)
    seen.append(plan.contiguous_bytes)
    plan.record_written(plan.next_part(0), 30)
    seen.append(plan.contiguous_bytes)

    assert seen == [0, 0, 20, 20, 100]
    assert plan.complete


def test_a_requeued_part_resumes_where_it_ended():
    plan = DownloadPlan(100, 50)
    part = plan.next_part(0)
    plan.record_written(part, 7)

    plan.requeue(part)
    resumed = plan.next_part(0)

    assert (resumed.offset, resumed.end) == (7, 50)
    assert plan.next_part(0).offset == 50


def test_a_slow_part_is_split_and_its_connection_stops_earlier():
    plan = DownloadPlan(4 * MIB, 4 * MIB)
    slow = plan.next_part(0)
    plan.record_written(slow, 1 * MIB)

    too_early, split = plan.split_slowest(0.1), plan.split_slowest(10)

    assert too_early is None
    assert slow.end == split.offset
    assert split.end == 4 * MIB
    assert plan.record_written(slow, 100 * MIB)[1] == split.offset


def test_a_small_rest_of_a_slow_part_is_taken_over_whole():
    plan = DownloadPlan(MIN_SPLIT_BYTES, MIN_SPLIT_BYTES)
    stuck = plan.next_part(0)

    split = plan.split_slowest(60)
    plan.requeue(stuck)

    assert (split.offset, split.end, stuck.left) == (0, MIN_SPLIT_BYTES, 0)
    assert plan.next_part(60) is None
    plan.record_written(split, MIN_SPLIT_BYTES)
    assert plan.complete


def test_a_fast_part_is_not_split():
    plan = DownloadPlan(4 * MIB, 4 * MIB)
    plan.record_written(plan.next_part(0), 3 * MIB)

    assert plan.split_slowest(5) is None


def test_a_source_without_ranges_is_downloaded_whole_and_again_after_an_error():
    plan = DownloadPlan(100, 10, written=[(0, 50)], sequential=True)
    part = plan.next_part(0)
    plan.record_written(part, 60)
    before = plan.contiguous_bytes, plan.split_slowest(60)

    plan.requeue(part)
    again = plan.next_part(0)

    assert before == (0, None)
    assert (again.offset, again.end) == (0, 100)


def test_parts_are_short_at_the_beginning_and_the_end():
    ranges = list(split_into_parts([(0, 100 * MIB), (200 * MIB, 800 * MIB)], 32 * MIB, 8))
    lengths = [end - start for start, end in ranges]

    assert sum(lengths) == 700 * MIB
    assert lengths[0] == lengths[-2] == 4 * MIB
    assert 16 * MIB < max(lengths) <= 32 * MIB
    assert missing_ranges(800 * MIB, ranges) == [(100 * MIB, 200 * MIB)]


def test_missing_ranges_are_the_gaps_between_ranges_that_may_overlap():
    assert missing_ranges(10, [(2, 4), (3, 6), (8, 10)]) == [(0, 2), (6, 8)]
