"""Free space and GPU memory as a worker reports them."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from jobs.fleet.worker_resources import GpuUsage
from tests.waiting import until
from workers.parent.metrics.gpus import GpuFigures, Gpus
from workers.parent.resource_monitor import ResourceMonitor

NO_GPUS = Gpus(None, None)


class OneGpu:
    """A GPU as the driver would show it."""

    def read(self):
        yield GpuFigures("0", 10, 100, 0.5)


@pytest.fixture
def start():
    """Start monitors; they are stopped at the end."""
    started = []

    def begin(volumes, gpus=NO_GPUS):
        monitor = ResourceMonitor(volumes, gpus)
        monitor.start()
        started.append(monitor)
        return monitor

    yield begin
    for monitor in started:
        monitor.stop()


def test_volumes_and_gpus_are_read_also_of_a_folder_that_comes_later(start, tmp_path):
    monitor = start({"weights": tmp_path, "scratch": tmp_path / "later" / "deep"}, OneGpu())

    found = until(lambda: monitor.latest.volumes and monitor.latest, what="a reading")

    size = os.statvfs(tmp_path)
    assert found.volumes["weights"].size_bytes == size.f_blocks * size.f_frsize
    assert found.volumes["scratch"].free_bytes > 0
    assert found.gpus == {"0": GpuUsage(used_bytes=10, size_bytes=100)}


def test_a_volume_that_cannot_be_read_hides_no_other(tmp_path, monkeypatch):
    gone, usage = tmp_path / "gone", shutil.disk_usage
    gone.mkdir()

    def broken(folder):
        if folder == gone:
            raise OSError(116, "Stale file handle")
        return usage(folder)

    monkeypatch.setattr(shutil, "disk_usage", broken)
    found = ResourceMonitor({"weights": gone, "scratch": tmp_path}, NO_GPUS).read()

    assert list(found.volumes) == ["scratch"]


def test_a_driver_that_hangs_holds_up_nobody(start, tmp_path):
    hanging = threading.Event()

    class Hanging:
        def read(self):
            hanging.wait()
            return iter(())

    monitor = start({"scratch": tmp_path}, Hanging())

    assert monitor.latest.volumes == {}
    monitor.stop()
    hanging.set()
