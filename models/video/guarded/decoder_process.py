"""A process that is ready to decode images: each image in a fork of it, with limits of its own.

Starting Python, NumPy and OpenCV takes 0.2 s; a fork of a process that has them takes milliseconds
and is guarded as well: what an image does to its decoder ends with that fork.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Final, Self

import numpy as np

from models.errors import InputRejected
from models.settings import library_path
from models.video.guarded.photo import Photo

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM: Final = "models.video.decoding.still_decoder"
"""The module that the process runs."""
STATUS_BYTES: Final = 64
"""A reply of the process is shorter."""


class DecoderEnded(Exception):
    """A decoder sent no image; `status` is that of its process as `subprocess` counts it.

    None: the process that starts the decoders has ended.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the image decoder ended with status {status}; see the worker log")
        self.status = status


class DecoderProcess:
    """Decodes images one after the other. It sees none of our secrets.

    It ends with its owner: when the socket between them closes.
    """

    def __init__(self, max_pixels: int, program: str = PROGRAM) -> None:
        self._lock = Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", program, str(theirs.fileno())],
                env=environment(max_pixels),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the worker, which ends the job in order
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, path: Path, max_pixels: int) -> Photo:
        """An image file, upright. Raises `InputRejected` and `DecoderEnded`."""
        with self._lock:
            reader, writer = os.pipe()
            with os.fdopen(reader, "rb") as stream:
                self._request(writer, path, max_pixels)
                try:
                    photo = _received(stream)
                finally:
                    stream.close()  # a decoder that still writes ends by that
                    status = self._status()
        if photo is None:
            raise DecoderEnded(status)
        return photo

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait()

    def _request(self, writer: int, path: Path, max_pixels: int) -> None:
        text = json.dumps({"path": str(path), "max_pixels": max_pixels}).encode()
        try:
            socket.send_fds(self._socket, [len(text).to_bytes(4, "big") + text], [writer])
        except OSError as error:
            raise DecoderEnded(None) from error
        finally:
            os.close(writer)

    def _status(self) -> int | None:
        reply = b""
        with suppress(OSError):
            reply = self._socket.recv(STATUS_BYTES)
        return int(reply) if reply else None


def environment(max_pixels: int) -> dict[str, str]:
    """The variables of the process. The first is OpenCV's: it refuses a larger image by the
    decoder's own size."""
    return {
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),
        "OPENCV_LOG_LEVEL": "SILENT",
        "OPENBLAS_NUM_THREADS": "1",  # its buffers would count as memory of the image
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **library_path(),
    }


def _received(stream: IO[bytes]) -> Photo | None:
    """The photo that the decoder sends, or None if it sends less. Raises `InputRejected`."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header: dict[str, Any] = json.loads(line)
    if "code" in header:
        raise InputRejected(header["code"], header["message"])
    image = np.empty(header["shape"], np.uint8)
    received: int = stream.readinto(image)  # type: ignore[attr-defined]  # it is buffered
    return Photo(image, header["width"], header["height"]) if received == image.nbytes else None
