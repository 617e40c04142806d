"""Helpers of the tests of pulls."""

from __future__ import annotations

import random
import threading

from tests.weights.volume_helpers import selection_of
from weights.download.limits import PullLimits
from weights.download.pull import pull
from weights.settings import WeightsSettings
from weights.sources.source_factory import open_sources

MODEL = "model.safetensors"
CONTENT = random.Random(4).randbytes(1_000_003)
SMALL = PullLimits(connections=4, part_bytes=64 * 1024, stall_seconds=10, retry_timeout_seconds=10)
PARTS = -(-len(CONTENT) // SMALL.part_bytes)


def sources_of(hub, stall_seconds):
    return open_sources(
        WeightsSettings(hf_endpoint=hub.url, hf_token=None, weights_stall_seconds=stall_seconds)
    )


def pull_files(hub, volume, *files, limits=SMALL, **options):
    with sources_of(hub, limits.stall_seconds) as sources:
        return pull(selection_of(*files), volume, sources, limits=limits, **options)


def is_whole(pulled, content=CONTENT, path=MODEL):
    return (pulled.folder / path).read_bytes() == content


class PullInThread:
    """A pull of one file in a thread of its own."""

    def __init__(self, hub, volume, file):
        self.stop = threading.Event()
        self.pulled = self.error = None
        self.reports = []
        self.thread = threading.Thread(target=self._run, args=(hub, volume, file))

    def _run(self, hub, volume, file):
        try:
            self.pulled = pull_files(
                hub, volume, file, stop=self.stop, on_progress=self.reports.append
            )
        except Exception as error:  # noqa: BLE001 - checked by the test
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
