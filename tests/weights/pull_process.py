"""A process that pulls: `python -m tests.weights.pull_process HUB ROOT PART_BYTES <selection.json`.

It prints its result as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from weights.download.limits import PullLimits
from weights.download.pull import pull
from weights.errors import WeightsError
from weights.manifest.manifest import Selection
from weights.settings import WeightsSettings
from weights.sources.source_factory import open_sources
from weights.volume.volume import Volume

ROOT = Path(__file__).parents[2]


def main(url, root, part_bytes):
    selection = Selection.model_validate_json(sys.stdin.read())
    sources = open_sources(WeightsSettings(hf_endpoint=url))
    limits = PullLimits(connections=8, part_bytes=int(part_bytes))
    waits = 0

    def count_waits(progress):
        nonlocal waits
        waits += progress.waiting

    try:
        pulled = pull(
            selection, Volume(Path(root)), sources, limits=limits, on_progress=count_waits
        )
    except WeightsError as error:
        write_result(error=f"{type(error).__name__}: {error}")
    else:
        write_result(folder=str(pulled.folder), fetched=pulled.fetched_bytes, waits=waits)


def write_result(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")


@contextmanager
def pull_process(hub, volume, selection, *, part_bytes=256 * 1024):
    command = [sys.executable, "-m", "tests.weights.pull_process", hub.url, str(volume.root)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, str(part_bytes)], cwd=ROOT, **pipes) as process:
        process.stdin.write(selection.model_dump_json(by_alias=True))
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()


def result_of(process):
    return json.loads(process.stdout.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
