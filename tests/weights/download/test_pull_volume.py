"""Pulls onto full, read-only and partly filled volumes; progress and stops."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.waiting import until
from tests.weights.fake_hub import fake_hub
from tests.weights.pull_helpers import CONTENT, MODEL, PullInThread, is_whole, pull_files
from tests.weights.volume_helpers import run_on_small_disk, weight_file
from weights.download import journal
from weights.errors import PullStopped, VolumeUnusable
from weights.volume.volume import Volume

FILE = weight_file(CONTENT)


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.add("owner/name", {MODEL: CONTENT})
        yield hub


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def fetch(hub, volume):
    """Pull files, by default the one on the Hub."""
    return lambda *files, **options: pull_files(hub, volume, *(files or [FILE]), **options)


def test_a_volume_without_space_is_refused_before_the_first_byte(hub):
    out = run_on_small_disk(SMALL_DISK.format(url=hub.url, size=1_000_003, keep=0), size="1500k")

    assert "DiskFull" in out
    assert "needed 0.00 GB" in out or "needed" in out
    assert hub.bytes == 0


SMALL_DISK = """
import random
from weights.errors import DiskFull
from weights.sources.source_factory import open_sources
from weights.download.pull import pull
from weights.settings import WeightsSettings

content = random.Random(4).randbytes({size})
files = [weight_file(content), weight_file(content[:-1], "other.bin")]
try:
    with open_sources(WeightsSettings(hf_endpoint="{url}")) as sources:
        pull(selection_of(*files), Volume(disk), sources)
except DiskFull as error:
    print("DiskFull", error, list((disk / "blobs").iterdir()))
"""


def test_a_disk_that_fills_up_fails_the_pull_which_can_be_resumed(hub):
    hub.bytes_per_second = 150_000

    out = run_on_small_disk(FILLING.format(url=hub.url), size="1500k")

    assert "DiskFull" in out
    assert "resumed True" in out


FILLING = """
import random
from contextlib import suppress
from weights.errors import DiskFull
from weights.sources.source_factory import open_sources
from weights.download.limits import PullLimits
from weights.download.pull import pull
from weights.settings import WeightsSettings

content = random.Random(4).randbytes(1_000_003)
volume, sources = opened(disk), open_sources(WeightsSettings(hf_endpoint="{url}"))
ballast, limits = disk / "ballast", PullLimits(connections=8, part_bytes=128 * 1024)

def fill(progress):
    if progress.file_done and not ballast.exists():
        with suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()

try:
    pull(selection_of(weight_file(content)), volume, sources, limits=limits, on_progress=fill)
except DiskFull as error:
    print("DiskFull", error)
ballast.write_bytes(b"")
pulled = pull(selection_of(weight_file(content)), volume, sources, limits=limits)
print("resumed", (pulled.folder / "model.safetensors").read_bytes() == content)
"""


def test_a_read_only_volume_is_reported(hub):
    out = run_on_small_disk(READ_ONLY.format(url=hub.url))

    assert "VolumeUnusable" in out
    assert hub.requests == 0


READ_ONLY = """
from weights.errors import VolumeUnusable
from weights.sources.source_factory import open_sources
from weights.download.pull import pull
from weights.settings import WeightsSettings

mount("-o", "remount,ro")
try:
    pull(selection_of(weight_file(b"x")), Volume(disk), open_sources(WeightsSettings()))
except VolumeUnusable as error:
    print("VolumeUnusable", error)
"""


def test_a_file_in_place_of_the_volume_is_reported(tmp_path, hub, volume, fetch):
    volume.root.write_text("not a folder")

    with pytest.raises(VolumeUnusable):
        fetch()


def test_a_truncated_blob_is_downloaded_again(hub, volume, fetch):
    fetch()
    blob = volume.blob(weight_file(CONTENT))
    blob.chmod(0o644)
    blob.write_bytes(CONTENT[:-1])

    assert is_whole(fetch())
    assert hub.bytes == 2 * len(CONTENT)


def test_local_files_are_imported_without_a_request(hub, tmp_path, fetch):
    (tmp_path / "baked").mkdir()
    (tmp_path / "baked" / MODEL).write_bytes(CONTENT)

    pulled = fetch(adopt_from=[tmp_path / "baked"])

    assert is_whole(pulled)
    assert hub.requests == 0


# progress and stops


def test_a_stop_ends_the_pull_while_the_hub_sends_nothing_and_keeps_downloaded_bytes(
    hub, volume, fetch
):
    hub.hold(MODEL, 0.5)
    file = weight_file(CONTENT)

    with PullInThread(hub, volume, file) as pulling:
        until(lambda: journal.done_bytes(volume.partial(file)) > len(CONTENT) // 3)
        pulling.stop.set()
        pulling.thread.join(60)
        ended = not pulling.thread.is_alive()
    kept = journal.done_bytes(volume.partial(file))
    hub.gates.pop(MODEL)[1].set()
    resumed = fetch()

    assert isinstance(pulling.error, PullStopped)
    assert ended  # the hub was held until then
    assert resumed.fetched_bytes == len(CONTENT) - kept
    assert is_whole(resumed)


def test_an_exception_in_the_progress_callback_ends_the_pull(hub, fetch):
    hub.bytes_per_second = 50_000

    def fail(_):
        raise LookupError

    with pytest.raises(LookupError):
        fetch(on_progress=fail)


def test_progress_grows_to_the_end(hub, volume, fetch):
    hub.bytes_per_second = 200_000
    reports = []

    fetch(on_progress=reports.append)

    assert all(one.done_bytes <= two.done_bytes for one, two in pairwise(reports))
    assert reports[-1].done_bytes == reports[-1].total_bytes == len(CONTENT)
    assert {report.file for report in reports} == {MODEL}
    rates = [report.bytes_per_second for report in reports if report.bytes_per_second]
    assert 300_000 < rates[-1] < 1_500_000


def test_a_waiting_pull_reports_the_progress_of_the_other_process(hub, volume, tmp_path):
    hub.bytes_per_second = 60_000

    with PullInThread(hub, volume, FILE) as first:
        until(lambda: hub.bytes > 100_000)
        with PullInThread(hub, Volume(volume.root), FILE) as second:
            until(
                lambda: [report for report in second.reports if report.waiting and report.file_done]
            )
            hub.bytes_per_second = None
            first.thread.join(20)
            second.thread.join(20)

    assert is_whole(second.pulled)
    assert second.pulled.fetched_bytes == 0
    assert hub.bytes == len(CONTENT)
