"""The plan of a file's ranges, and the journal of what is there."""

from __future__ import annotations

import os

import pytest

from weights.download import journal
from weights.download.download_plan import LEAST_SHARE, Parts, cut, gaps
from weights.download.journal import Content, Journal
from weights.download.partial import Partial, still_to_come
from weights.download.progress import Count, Meter
from weights.download.retry import FIRST_SECONDS, MOST_ASKED_SECONDS, Patience
from weights.errors import PullStopped, SourceUnavailable

MIB = 1024 * 1024


def test_a_plan_deals_out_what_is_missing_in_order():
    parts = Parts(100, 30, have=[(10, 20), (15, 40)])

    dealt = [parts.take(0) for _ in range(4)]

    assert [(part.at, part.end) for part in dealt[:3]] == [(0, 10), (40, 70), (70, 100)]
    assert dealt[3] is None
    assert parts.done_bytes == 30


def test_the_frontier_stands_before_the_first_byte_that_is_missing():
    parts = Parts(100, 50)
    first, second = parts.take(0), parts.take(0)
    seen = [parts.frontier]

    parts.wrote(second, 50)
    seen.append(parts.frontier)
    parts.wrote(first, 20)
    seen.append(parts.frontier)
    parts.give_back(first)
    seen.append(parts.frontier)
    parts.wrote(parts.take(0), 30)
    seen.append(parts.frontier)

    assert seen == [0, 0, 20, 20, 100]
    assert parts.complete


def test_a_part_that_was_given_back_goes_on_where_it_ended():
    parts = Parts(100, 50)
    part = parts.take(0)
    parts.wrote(part, 7)

    parts.give_back(part)
    again = parts.take(0)

    assert (again.at, again.end) == (7, 50)
    assert parts.take(0).at == 50


def test_a_late_part_is_shared_and_its_owner_stops_earlier():
    parts = Parts(4 * MIB, 4 * MIB)
    slow = parts.take(0)
    parts.wrote(slow, 1 * MIB)

    too_early, share = parts.share(0.1), parts.share(10)

    assert too_early is None
    assert slow.end == share.at
    assert share.end == 4 * MIB
    assert parts.wrote(slow, 100 * MIB)[1] == share.at


def test_the_rest_of_a_late_part_is_taken_over_whole_when_it_is_small():
    parts = Parts(LEAST_SHARE, LEAST_SHARE)
    stuck = parts.take(0)

    share = parts.share(60)
    parts.give_back(stuck)

    assert (share.at, share.end, stuck.left) == (0, LEAST_SHARE, 0)
    assert parts.take(60) is None
    parts.wrote(share, LEAST_SHARE)
    assert parts.complete


def test_a_part_that_comes_at_a_good_pace_is_left_alone():
    parts = Parts(4 * MIB, 4 * MIB)
    parts.wrote(parts.take(0), 3 * MIB)

    assert parts.share(5) is None


def test_a_source_without_ranges_gives_all_or_nothing():
    parts = Parts(100, 10, have=[(0, 50)], whole=True)
    part = parts.take(0)
    parts.wrote(part, 60)
    before = parts.frontier, parts.share(60)

    parts.give_back(part)
    again = parts.take(0)

    assert before == (0, None)
    assert (again.at, again.end) == (0, 100)


def test_parts_are_short_at_the_beginning_and_the_end():
    ranges = list(cut([(0, 100 * MIB), (200 * MIB, 800 * MIB)], 32 * MIB, 8))
    lengths = [end - start for start, end in ranges]

    assert sum(lengths) == 700 * MIB
    assert lengths[0] == lengths[-2] == 4 * MIB
    assert 16 * MIB < max(lengths) <= 32 * MIB
    assert gaps(800 * MIB, ranges) == [(100 * MIB, 200 * MIB)]


def test_gaps_lie_between_ranges_that_may_overlap():
    assert gaps(10, [(2, 4), (3, 6), (8, 10)]) == [(0, 2), (6, 8)]


# the journal


CONTENT = Content(size=1000, of="ab" * 32)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.part"
    path.write_bytes(bytes(1000))
    return path


def write(path, *ranges, boot="here", safe=False):
    made = Journal(path, CONTENT, boot=boot)
    for have in ranges:
        made.have(*have)
    if safe:
        made.safe(made.mark())
    made.close()


def test_a_new_process_goes_on_with_what_was_written(path):
    write(path, (0, 10), (50, 60))
    write(path, (10, 20))

    assert journal.read(path, boot="here") == (CONTENT, [(0, 10), (50, 60), (10, 20)])


def test_after_a_new_start_of_the_machine_only_what_was_safe_counts(path):
    write(path, (0, 10), safe=True)
    write(path, (10, 20))

    assert journal.read(path, boot="later")[1] == [(0, 10)]


def test_what_was_lost_with_the_power_is_not_made_safe_later(path):
    made = Journal(path, CONTENT, boot="here")
    made.have(0, 10)
    mark = made.mark()
    made.have(10, 20)
    made.safe(mark)
    made.close()

    assert journal.read(path, boot="later")[1] == [(0, 10)]


@pytest.mark.parametrize("torn", [b"have 20 9", b"have", b"\xff\xfe", b"have 5 x\nsafe 99999"])
def test_a_torn_line_is_passed_over(path, torn):
    write(path, (0, 10))
    with journal.path_of(path).open("ab") as file:
        file.write(torn)
    write(path, (30, 40))

    assert journal.read(path, boot="here")[1][0::2] in ([(0, 10), (30, 40)], [(0, 10)])
    assert journal.read(path, boot="here")[1][-1] == (30, 40)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]\n", b'{"size": 999, "of": "x"}\n', b"\0\0\n"])
def test_a_journal_that_is_none_counts_for_nothing(path, text):
    journal.path_of(path).write_bytes(text)

    assert journal.read(path) == (None, [])


def test_a_journal_without_its_partial_counts_for_nothing(path):
    write(path, (0, 10))
    path.unlink()

    assert journal.done_bytes(path) == 0


def test_a_partial_of_other_content_is_begun_anew(path):
    write(path, (0, 1000))

    partial = Partial(path, Content(size=1000, of="another"))
    partial.close()

    assert partial.have == []
    assert journal.done_bytes(path) == 0


def test_nothing_is_written_to_a_partial_that_is_closed(path):
    partial = Partial(path, CONTENT)
    partial.write(memoryview(b"good"), 0)
    partial.close()
    number = os.dup(1)  # the next file that is opened may get the same number
    try:
        with pytest.raises(PullStopped):
            partial.write(memoryview(b"evil"), 0)
    finally:
        os.close(number)

    assert path.read_bytes()[:4] == b"good"


@pytest.mark.parametrize("maps", [True, False])
def test_bytes_are_given_to_the_digest_wherever_they_lie(path, monkeypatch, maps):
    content = os.urandom(1000)
    partial = Partial(path, CONTENT)
    partial.write(memoryview(content), 0)
    if not maps:  # a kernel before 5.14
        monkeypatch.setattr("weights.download.partial._POPULATE_READ", 9999)
    given = []

    partial.feed(lambda piece: given.append(bytes(piece)), 3, 997)
    partial.close()

    assert b"".join(given) == content[3:997]


def test_room_that_another_partial_will_take_is_counted_while_it_grows(path):
    os.truncate(path, 10 * MIB)
    growing = still_to_come(path)
    os.utime(path, (0, 0))

    assert growing > 9 * MIB
    assert still_to_come(path) == 0
    assert still_to_come(path.with_name("none")) == 0


# patience, and what people see


def test_waits_grow_and_a_byte_makes_them_short_again():
    patience = Patience(1000, chance=lambda: 1.0)
    waits = []
    for _ in range(3):
        now = patience.not_before
        patience.failed(SourceUnavailable("503"), now)
        waits.append(patience.not_before - now)

    patience.progressed()
    now = patience.not_before
    patience.failed(SourceUnavailable("503"), now)

    assert waits == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert patience.not_before - now == FIRST_SECONDS


def test_many_connections_that_fail_at_once_count_as_one_failure():
    patience = Patience(1000, chance=lambda: 1.0)

    for _ in range(16):
        patience.failed(SourceUnavailable("503"), 5.0)

    assert patience.not_before < 5 + 2 * FIRST_SECONDS + 0.01


def test_the_wait_that_a_server_asks_for_is_kept_within_reason():
    patience = Patience(1000, chance=lambda: 0.0)
    patience.failed(SourceUnavailable("429", retry_after_seconds=7), 100)
    asked = patience.not_before

    patience.failed(SourceUnavailable("429", retry_after_seconds=90_000), 107)

    assert asked == 107
    assert patience.not_before == 107 + MOST_ASKED_SECONDS


def test_patience_ends_with_the_error_itself():
    patience = Patience(10)
    patience.failed(SourceUnavailable("503"), 0)

    with pytest.raises(SourceUnavailable, match="503"):
        patience.failed(SourceUnavailable("503"), 10)


def test_progress_never_goes_back_and_the_speed_is_smooth():
    meter = Meter(0.0)

    looks = [
        meter.read([Count("a", done, 100, moved=moved, active=True)], now)
        for now, done, moved in [(1, 50, 10), (2, 30, 20), (3, 60, 30), (4, 60, 30)]
    ]

    assert [look.done_bytes for look in looks] == [50, 50, 60, 60]
    assert [round(look.bytes_per_second, 1) for look in looks[:3]] == [10, 10, 10]
    assert 0 < looks[3].bytes_per_second < 10


def test_progress_shows_the_file_that_is_on_its_way():
    counts = [Count("a", 5, 5), Count("b", 1, 5), Count("c", 2, 7, active=True, waiting=True)]

    look = Meter(0.0).read(counts, 0.1)

    assert (look.file, look.file_done, look.file_total, look.waiting) == ("c", 2, 7, True)
    assert (look.done_bytes, look.total_bytes, look.bytes_per_second) == (8, 17, None)
