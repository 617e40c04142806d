"""Decodes images: `python -m models.video.decoding.still_decoder SOCKET`, a file descriptor.

A request has the path of an image, and a pipe. A fork of this process decodes the image, and sends
a line of JSON, with the sizes or with an error, and then the pixels. It limits its own memory and
time first: a header can promise less than the decoder will make of the file. The reply to the
request is the exit status of the fork.
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import socket
import sys
import traceback
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image

from models.errors import InputRejected, unreadable_error
from models.video import orientation, signature
from models.video.color import avif_tags, still_colors
from models.video.guarded.limits import limit_process
from models.video.guarded.photo import Photo
from runtime.media.formats import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""On top of the libraries. 64 million pixels take 512 MB with opacity and 16 bits."""
CPU_SECONDS: Final = 60
"""64 million pixels of PNG or TIFF take 1 to 7 s, the most with 16 bits and opacity."""
KEPT_PIXELS: Final = MAX_CLIP_PIXELS
"""Pixels that the models get; a photo of a phone may have more."""


def decode(content: bytes, max_pixels: int) -> Photo:
    """An image file, upright. Raises `InputRejected`.

    OpenCV refuses more than `max_pixels` by a variable of the environment, before it makes any.
    What has more than `KEPT_PIXELS` is scaled to that; a JPEG is decoded at half its size.
    """
    if not signature.is_image(content[: signature.HEAD_BYTES]):
        raise unreadable_error()
    halved_from = _size_to_halve(content, max_pixels)
    image, blocks = _decoded(content, max_pixels, halved=halved_from is not None)
    width, height = halved_from or (image.shape[1], image.shape[0])
    if avif_tags.is_avif(content):
        turn = avif_tags.orientation(content)
    else:
        turn = orientation.of_exif(blocks.get(cv2.IMAGE_METADATA_EXIF, b""))
    narrow = still_colors.to_bgr(image, still_colors.color_tags(content, blocks), content)
    del image
    if orientation.sideways(turn):
        width, height = height, width
    upright = np.ascontiguousarray(orientation.upright(_shrunk(narrow), turn))
    return Photo(upright, width, height)


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with at most `KEPT_PIXELS`."""
    height, width = image.shape[:2]
    if height * width <= KEPT_PIXELS:
        return image
    scale = math.sqrt(KEPT_PIXELS / (height * width))
    size = int(width * scale), int(height * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _size_to_halve(content: bytes, max_pixels: int) -> tuple[int, int] | None:
    """Width and height of a large JPEG. Decoded at half its size it takes a quarter of the memory.

    OpenCV counts the pixels after that. Raises `InputRejected` for more than `max_pixels`.
    """
    if not content.startswith(b"\xff\xd8"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("JPEG",)) as header:
                width, height = header.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None  # OpenCV has the last word
    if width * height > max_pixels:
        raise _too_many_pixels(max_pixels)
    return (width, height) if width * height > KEPT_PIXELS else None


def _decoded(
    content: bytes, max_pixels: int, *, halved: bool
) -> tuple[NDArray[Any], dict[int, bytes]]:
    """The image as stored, or at half its size, and its metadata: kind -> block."""
    flags = cv2.IMREAD_UNCHANGED
    if halved:
        flags = cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image, kinds, blocks = cv2.imdecodeWithMetadata(
            np.frombuffer(content, np.uint8), flags=flags
        )
    except cv2.error as error:
        raise _rejection(error, max_pixels) from error
    if image is None:
        raise unreadable_error()
    return image, {kind: block.tobytes() for kind, block in zip(kinds, blocks, strict=True)}


def _rejection(error: cv2.error, max_pixels: int) -> InputRejected:
    if "CV_IO_MAX_IMAGE" in str(error):
        return _too_many_pixels(max_pixels)
    if error.code == cv2.Error.StsNoMem:
        return _too_much_memory()
    return unreadable_error()


def _too_many_pixels(max_pixels: int) -> InputRejected:
    return InputRejected("too_large", f"Use an image of at most {max_pixels:,} pixels.")


def _too_much_memory() -> InputRejected:
    megabytes = MEMORY_BYTES // 1024**2
    return InputRejected(
        "too_large",
        f"The image takes more than {megabytes} MB to decode. Scale it down.",
    )


def main() -> None:
    """Serve requests until the other end of the socket closes."""
    cv2.setNumThreads(1)
    _warm_up()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        while request := _next_request(connection):
            path, max_pixels, writer = request
            child = os.fork()
            if child == 0:
                connection.close()
                _serve(path, max_pixels, writer)
            os.close(writer)
            _, status = os.waitpid(child, 0)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _warm_up() -> None:
    """Decode images of our own once, so that the forks find the libraries initialized."""
    image = np.zeros((64, 64, 3), np.uint8)
    for suffix in (".jpg", ".png", ".webp", ".tiff"):
        decode(cv2.imencode(suffix, image)[1].tobytes(), image.size)


def _next_request(connection: socket.socket) -> tuple[Path, int, int] | None:
    """Path, limit of pixels, and the pipe to write to; None at the end."""
    head, files, _, _ = socket.recv_fds(connection, 4, maxfds=1)
    text = _received(connection, int.from_bytes(head, "big")) if len(head) == 4 else b""
    if not text:
        return None
    request = json.loads(text)
    return Path(request["path"]), request["max_pixels"], files[0]


def _received(connection: socket.socket, length: int) -> bytes:
    """So many bytes; none if the owner ends before the last of them."""
    text = b""
    while len(text) < length:
        part = connection.recv(length - len(text))
        if not part:
            return b""
        text += part
    return text


def _serve(path: Path, max_pixels: int, writer: int) -> None:
    """Decode an image and end this fork: nothing of the process that it comes from runs in it."""
    status = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for the image any more
        limit_process(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
        with os.fdopen(writer, "wb") as stream:
            _send_image(path, max_pixels, stream)
        status = 0
    except BaseException:  # noqa: BLE001 - the fork may not return
        traceback.print_exc()
    finally:
        os._exit(status)


def _send_image(path: Path, max_pixels: int, stream: IO[bytes]) -> None:
    try:
        photo = decode(path.read_bytes(), max_pixels)
    except InputRejected as rejected:
        _send({"code": rejected.code, "message": str(rejected)}, stream)
    except MemoryError:
        refusal = _too_much_memory()
        _send({"code": refusal.code, "message": str(refusal)}, stream)
    else:
        size = {"width": photo.width, "height": photo.height}
        _send({"shape": photo.image.shape, **size}, stream)
        stream.write(photo.image.data)


def _send(header: dict[str, Any], stream: IO[bytes]) -> None:
    stream.write(json.dumps(header).encode() + b"\n")


if __name__ == "__main__":
    main()
