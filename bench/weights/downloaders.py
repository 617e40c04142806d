"""One download in a process of its own: `python -m bench.weights.downloaders PEER URL FOLDER NAME`.

Prints the seconds and CPU seconds of the download as JSON, without the imports.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from bench.weights.file_server import COMMIT

Download = Callable[[], object]
PLAIN_CONNECTIONS = 8
PLAIN_RANGE_BYTES = 32 * 1024 * 1024


def ours(url: str, folder: Path, name: str) -> Download:
    """Our downloader: the hash is verified, and the file has its final name."""
    from weights.download.pull import pull
    from weights.manifest.manifest import Selection
    from weights.settings import WeightsSettings
    from weights.sources.source_factory import open_sources
    from weights.volume.volume import Volume

    selection = Selection.model_validate_json((folder / "selection.json").read_text())
    settings = WeightsSettings(hf_endpoint=url, hf_token=None)

    def download() -> object:
        with open_sources(settings) as sources:
            return pull(selection, Volume(folder / "volume"), sources)

    return download


def hf_hub_download(url: str, folder: Path, name: str) -> Download:
    """huggingface_hub over HTTP, which verifies the length only."""
    from huggingface_hub import hf_hub_download as download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    cache = folder / "hf"
    return lambda: download(
        "owner/name", name, revision=COMMIT, endpoint=url, cache_dir=cache, token=False
    )


def gcs_client(url: str, folder: Path, name: str) -> Download:
    """google-cloud-storage, one stream, with its default checksum."""
    blob = _blob(url, name)
    return lambda: blob.download_to_filename(str(folder / name))


def transfer_manager(url: str, folder: Path, name: str) -> Download:
    """google-cloud-storage, ranges in eight processes, like `gcloud`."""
    from google.cloud.storage import transfer_manager as manager

    blob = _blob(url, name)
    return lambda: manager.download_chunks_concurrently(blob, str(folder / name), max_workers=8)


def curl(url: str, folder: Path, name: str) -> Download:
    """curl, one stream, nothing verified."""
    address = f"{url}/owner/name/resolve/{COMMIT}/{name}"
    command = ["curl", "--silent", "--show-error", "--fail", "-o", str(folder / name), address]
    return lambda: subprocess.run(command, check=True)


def plain_ranges(url: str, folder: Path, name: str) -> Download:
    """8 connections of the standard library with ranges of 32 MiB; nothing is verified or kept."""
    path = f"/owner/name/resolve/{COMMIT}/{name}"
    return lambda: _fetch_ranges(urlsplit(url).netloc, path, folder / name)


def _fetch_ranges(host: str, path: str, target: Path) -> None:
    head = HTTPConnection(host)
    head.request("HEAD", path)
    size = int(head.getresponse().headers["Content-Length"])
    starts: SimpleQueue[int] = SimpleQueue()
    for start in range(0, size, PLAIN_RANGE_BYTES):
        starts.put(start)
    with target.open("wb") as file:
        file.truncate(size)
        work = (host, path, starts, size, file.fileno())
        threads = [Thread(target=_fetch_next_ranges, args=work) for _ in range(PLAIN_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert starts.empty()


def _fetch_next_ranges(host: str, path: str, starts: SimpleQueue[int], size: int, fd: int) -> None:
    connection, buffer = HTTPConnection(host), memoryview(bytearray(1024 * 1024))
    while True:
        try:
            offset = starts.get_nowait()
        except Empty:
            return
        last = min(size, offset + PLAIN_RANGE_BYTES) - 1
        connection.request("GET", path, headers={"Range": f"bytes={offset}-{last}"})
        response = connection.getresponse()
        while count := response.readinto(buffer):
            os.pwrite(fd, buffer[:count], offset)
            offset += count
        assert offset == last + 1


def _blob(url: str, name: str) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client(
        project="bench", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )
    return client.bucket("bench").blob(name)


PEERS = {
    peer.__name__: peer
    for peer in (ours, hf_hub_download, gcs_client, transfer_manager, curl, plain_ranges)
}


def cpu_seconds() -> float:
    """CPU seconds of this process and of its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    peer, url, folder, name = sys.argv[1:]
    download = PEERS[peer](url, Path(folder), name)
    begin, cpu = time.perf_counter(), cpu_seconds()
    download()
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds() - cpu}))


if __name__ == "__main__":
    main()
