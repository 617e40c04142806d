"""Animated WebP and AVIF as clips: their frames in a MOV, which FFmpeg can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from models.errors import InputRejected, unreadable_error
from models.video.guarded.decoder_process import DecoderEnded, environment
from models.video.guarded.limits import CRASHES, OUT_OF_TIME
from runtime.media.formats import MAX_CLIP_PIXELS

PROGRAM: Final = "models.video.animation.clip_program"
"""The module that the process runs."""


def as_clip(path: Path) -> Path:
    """Return a MOV of the frames beside the file; made once, by a process with limits.

    Raises `InputRejected`: `media_unreadable`, or `too_large` for too many frames, pixels or bytes,
    or too much time; `OSError` for a full disk; `DecoderEnded`.
    """
    made = path.with_name(f".{path.name}.frames.mov")
    if not made.exists():
        handle, name = tempfile.mkstemp(suffix=".mov", dir=path.parent)
        os.close(handle)
        try:
            _convert(path, Path(name))
            Path(name).replace(made)
        finally:
            Path(name).unlink(missing_ok=True)
    return made


def _convert(path: Path, made: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", PROGRAM, str(path), str(made)],
        env=environment(MAX_CLIP_PIXELS),
        stdin=subprocess.PIPE,  # it ends when this closes, so not later than this process
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the worker, which ends the job in order
    ) as process:
        reply = process.stdout.read() if process.stdout is not None else b""
    if process.returncode in CRASHES:
        raise unreadable_error()
    if process.returncode == OUT_OF_TIME:
        raise InputRejected(
            "too_large",
            "The animation takes too long to decode. Scale it down, or send it as MP4 or WebM.",
        )
    if process.returncode:
        raise DecoderEnded(process.returncode)
    _check(json.loads(reply))


def _check(reply: dict[str, Any]) -> None:
    if "errno" in reply:
        raise OSError(reply["errno"], os.strerror(reply["errno"]))
    if "code" in reply:
        raise InputRejected(reply["code"], reply["message"])
