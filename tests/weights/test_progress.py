"""The figures that are shown of a transfer."""

from __future__ import annotations

from weights.progress import FileProgress, ProgressMeter


def test_progress_never_decreases_and_the_rate_is_smoothed():
    meter = ProgressMeter(0.0)

    reports = [
        meter.read([FileProgress("a", done, 100, transferred=transferred, active=True)], now)
        for now, done, transferred in [(1, 50, 10), (2, 30, 20), (3, 60, 30), (4, 60, 30)]
    ]

    assert [report.done_bytes for report in reports] == [50, 50, 60, 60]
    assert [round(report.bytes_per_second, 1) for report in reports[:3]] == [10, 10, 10]
    assert 0 < reports[3].bytes_per_second < 10


def test_progress_names_the_active_file():
    files = [
        FileProgress("a", 5, 5),
        FileProgress("b", 1, 5),
        FileProgress("c", 2, 7, active=True, waiting=True),
    ]

    report = ProgressMeter(0.0).read(files, 0.1)

    assert (report.file, report.file_done, report.file_total, report.waiting) == ("c", 2, 7, True)
    assert (report.done_bytes, report.total_bytes, report.bytes_per_second) == (8, 17, None)
