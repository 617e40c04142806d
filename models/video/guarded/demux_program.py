"""Reads a container to its end: `python -m models.video.guarded.demux_program FILE DEMUXER`.

It decodes nothing beyond what FFmpeg looks at to open a file. A few bytes of a header can state
millions of samples, for each of which FFmpeg makes an entry in its index: this process ends with
`OUT_OF_MEMORY` instead of the worker. It ends when its input closes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from av.error import FFmpegError

from models.video.guarded.container import open_container
from models.video.guarded.limits import limit_process

MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""On top of the libraries: the index of 10 hours takes about 200 MB, the first frames of a clip of
40 million pixels the rest."""
CPU_SECONDS: Final = 20
"""The packets of 200 MB take half a second."""
OUT_OF_MEMORY: Final = 3
"""Status of this process when the file takes more than `MEMORY_BYTES`."""

_MOST_BYTES: Final = 16 * MEMORY_BYTES
"""What is never reached: where memory is refused to it, FFmpeg goes on with a part of the file."""
_PAUSE_SECONDS: Final = 0.01


def main() -> None:
    """Read the container. What FFmpeg cannot read is refused where it is used."""
    limit_process(memory_bytes=_MOST_BYTES, cpu_seconds=CPU_SECONDS)
    threading.Thread(target=_end_with_input, daemon=True).start()
    if sys.platform == "linux":
        threading.Thread(
            target=_limit_memory, args=[_resident() + MEMORY_BYTES], daemon=True
        ).start()
    with suppress(FFmpegError), open_container(sys.argv[1], sys.argv[2]) as container:
        for _ in container.demux():
            pass


def _end_with_input() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _limit_memory(most_bytes: int) -> None:
    while _resident() <= most_bytes:
        time.sleep(_PAUSE_SECONDS)
    os._exit(OUT_OF_MEMORY)


def _resident() -> int:
    """Bytes in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
