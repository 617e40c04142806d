"""Let a process of its own read a container before this one does."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from models.errors import InputRejected, unreadable_error
from models.video.guarded.decoder_process import DecoderEnded, environment
from models.video.guarded.demux_program import OUT_OF_MEMORY
from models.video.guarded.limits import CRASHES, OUT_OF_TIME
from runtime.media.formats import BOTH, MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.media.formats import MediaFormat

PROGRAM: Final = "models.video.guarded.demux_program"
"""The module that the process runs."""
_REMEMBERED: Final = 256


def require_small_index(path: Path, found: MediaFormat) -> None:
    """Raise `InputRejected` for a container that takes too much memory or time to read.

    Takes 0.2 s, once for each file. Sound formats have no index.
    """
    if found.fields == BOTH and found.demuxer is not None:
        status = path.stat()
        _require(str(path), found.demuxer, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(_REMEMBERED)
def _require(path: str, demuxer: str, *_identity: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", PROGRAM, path, demuxer],
        env=environment(MAX_CLIP_PIXELS),
        stdin=subprocess.PIPE,  # it ends when this closes, so not later than this process
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the worker, which ends the job in order
    ) as process:
        status = process.wait()
    if status in CRASHES:
        raise unreadable_error()
    if status in {OUT_OF_MEMORY, OUT_OF_TIME}:
        raise InputRejected(
            "too_large",
            "The file has an index that takes too much memory or time to read: it is damaged, or "
            "much too long. Convert it, for example to MP4, or cut it.",
        )
    if status:
        raise DecoderEnded(status)
