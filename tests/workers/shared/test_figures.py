"""Figures of several processes of a worker, one after the other."""

from __future__ import annotations

from workers.shared.figures import ProcessFigures


def test_a_later_process_adds_its_figures():
    first, second = ProcessFigures(), ProcessFigures()
    first.weights_bytes, second.weights_bytes = {"a": 1, "b": 2}, {"b": 3}
    first.record_pull("a", 1.0)
    second.record_pull("a", 2.0)
    first.record_phase("load", 9.0, "a")
    first.record_phase("ready", 4.0)
    second.record_phase("load", 8.0, "a")
    first.record_gpu_peak("a", 7)
    second.record_gpu_peak("a", 6)

    both = first.with_later(second)

    assert both.weights_bytes == {"a": 1, "b": 5}
    assert both.pull_seconds == {"a": [1.0, 2.0]}
    assert both.cold_start == {"load": {"a": 8.0}, "ready": {"": 4.0}}
    assert both.gpu_peak_bytes == {"a": 7}
