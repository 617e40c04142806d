"""A header that can be read in two ways is refused; otherwise the decoder finds the same size."""

from __future__ import annotations

import random
from contextlib import suppress

import cv2
import numpy as np
import pytest

from runtime.media.formats import MAX_IMAGE_PIXELS
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected
from tests.storage.sniffing.doubtful_images import (
    DOUBTFUL,
    SMALL,
    canvas,
    encoded,
    riff,
    webp_image,
)

FORMATS = {
    "JPEG": encoded("JPEG"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "PNG": encoded("PNG"),
    "WebP": encoded("WEBP"),
    "lossless WebP": encoded("WEBP", lossless=True),
    "WebP with a canvas": riff(canvas(SMALL), webp_image(SMALL)),
    "GIF": encoded("GIF"),
    "BMP": encoded("BMP"),
    "TIFF": encoded("TIFF"),
    "compressed TIFF": encoded("TIFF", compression="tiff_lzw"),
}
MUTATIONS = 100
"""Of each format."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "image"


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_doubtful_header_is_refused(path, case):
    path.write_bytes(DOUBTFUL[case])

    with pytest.raises(MediaRejected) as caught:
        check_image(path)

    assert caught.value.code in {"media_unreadable", "too_large"}


@pytest.mark.parametrize(
    "before", [b"\x21\xfe\0" * 10_000, b"\x21\xfe" + b"\x01 " * 19_999 + b"\0"]
)
def test_a_gif_of_thousands_of_blocks_before_its_frame_is_refused(path, before):
    """Empty ones count as well: an upload of them would keep its thread for minutes."""
    content = encoded("GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    assert content[10] & 0x80
    path.write_bytes(content[:start] + before + content[start:])

    with pytest.raises(MediaRejected, match="more than 20,000 blocks before its first frame"):
        check_image(path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_good_header_is_accepted(path, form):
    path.write_bytes(FORMATS[form])

    found = check_image(path)

    assert (found.width, found.height) == SMALL


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_bytes_after_the_end_of_an_image_do_not_count(path, form):
    """Phones append a second picture, a depth map or a clip."""
    path.write_bytes(FORMATS[form] + encoded(form, (700, 500)))

    found = check_image(path)

    assert (found.width, found.height) == SMALL == decoded_size(path.read_bytes())


@pytest.mark.parametrize("form", FORMATS)
def test_the_decoder_finds_the_size_that_was_checked(path, form):
    chance, accepted = random.Random(form), 0

    for content in mutations(FORMATS[form], chance):
        path.write_bytes(content)
        with suppress(MediaRejected):
            found = check_image(path)
            accepted += 1
            assert found.width * found.height <= MAX_IMAGE_PIXELS
            assert decoded_size(content) in {None, (found.width, found.height)}

    assert accepted > 2


def mutations(content, chance):
    """Copies with one to three changes near the beginning: bytes replaced, inserted, repeated."""
    for _ in range(MUTATIONS):
        changed = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            at, length = chance.randrange(2, 90), chance.randint(1, 14)
            match chance.randrange(4):
                case 0:
                    changed[at] = chance.choice([0, 1, 8, 16, 0x7F, 0xC0, 0xD8, 0xFF])
                case 1:
                    changed[at:at] = chance.choice([b"\xff", b"\xff\x00", b"\xff\xd8", b"\0"])
                case 2:
                    changed[at:at] = changed[at : at + length]
                case 3:
                    del changed[at : at + length]
        yield bytes(changed)


def decoded_size(content):
    """Width and height of what OpenCV decodes, None if it refuses the file."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    with suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if image is not None:
            return image.shape[1], image.shape[0]
    return None
