"""Files are marked where readers of XMP look, and their pictures stay the same."""

from __future__ import annotations

import struct
import zipfile
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from models.file_type import JPEG, MP4, PNG, WEBM, WEBP, ZIP, FileType
from models.marking.containers import MP4_XMP
from models.marking.mark import XMP_NAME, mark
from models.marking.source_type import TAG, DigitalSourceType
from models.video.encoding.clip_writer import ClipFormat, clip_writer
from tests.models.video import media

TRAINED = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def picture(channels, side=(37, 61)):
    shape = (*side, channels)
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


def marked(path, file_type, source=DigitalSourceType.TRAINED):
    mark(path, file_type, source)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "file_type", "options", "channels"),
    [
        ("a.png", PNG, (), 4),
        ("a.png", PNG, (), 3),
        ("a.jpg", JPEG, (), 3),
        ("a.webp", WEBP, (cv2.IMWRITE_WEBP_QUALITY, 90), 3),
        ("a.webp", WEBP, (cv2.IMWRITE_WEBP_QUALITY, 90), 4),
        ("a.webp", WEBP, (cv2.IMWRITE_WEBP_QUALITY, 101), 3),
        ("a.webp", WEBP, (cv2.IMWRITE_WEBP_QUALITY, 101), 4),
    ],
)
def test_a_picture_is_marked_and_keeps_its_pixels(tmp_path, name, file_type, options, channels):
    path = tmp_path / name
    cv2.imwrite(str(path), picture(channels), options)
    before = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)

    file = marked(path, file_type)

    with Image.open(path) as image:
        image.load()
        packet = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
        assert (image.width, image.height) == (61, 37)
    assert TRAINED in packet
    assert file.count(TRAINED) == 1
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), before)


def test_the_chunks_of_a_marked_png_are_whole(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture(3))
    file = marked(path, PNG)

    names, at = [], 8
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        chunk = file[at + 4 : at + 8 + size]
        assert struct.unpack(">I", file[at + 8 + size : at + 12 + size]) == (zlib.crc32(chunk),)
        names.append(chunk[:4])
        at += 12 + size
    assert names[:2] == [b"IHDR", b"iTXt"]
    assert names[-1] == b"IEND"


def test_an_mp4_is_marked_in_a_box_of_its_own_at_the_end(tmp_path):
    path = tmp_path / "a.mp4"
    frames = [picture(3, (64, 96)) for _ in range(5)]
    media.write(path, frames)
    before = path.read_bytes()

    file = marked(path, MP4)

    size, kind = struct.unpack(">I4s", file[len(before) : len(before) + 8])
    assert (kind, size) == (b"uuid", len(file) - len(before))
    assert file.startswith(before)
    assert file[len(before) + 8 : len(before) + 24] == MP4_XMP
    assert TRAINED in file[len(before) :]
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_zip_of_frames_holds_the_mark_beside_them(tmp_path):
    path = tmp_path / "a.zip"
    with clip_writer(ClipFormat.PNG_ZIP, path, width=8, height=8) as writer:
        writer.write(picture(4, (8, 8)), Fraction(0), Fraction(1, 25))

    marked(path, ZIP)

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == XMP_NAME
        assert TRAINED in archive.read(XMP_NAME)


def test_a_webm_carries_the_tag_that_its_runner_gives(tmp_path):
    path = tmp_path / "a.webm"
    tag = {TAG: DigitalSourceType.TRAINED.uri}
    with clip_writer(ClipFormat.WEBM, path, width=16, height=16, metadata=tag) as writer:
        writer.write(picture(4, (16, 16)), Fraction(0), Fraction(1, 25))
    before = path.read_bytes()

    assert marked(path, WEBM) == before
    with av.open(str(path)) as container:
        assert container.metadata[TAG].encode() == TRAINED


def test_a_file_of_another_type_is_left_alone(tmp_path):
    path = tmp_path / "a.glb"
    path.write_bytes(b"glTF")

    assert marked(path, FileType("model/gltf-binary", "glb")) == b"glTF"


def test_a_model_without_a_network_is_not_called_trained(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture(3))

    file = marked(path, PNG, DigitalSourceType.ALGORITHMIC)

    assert b"digitalsourcetype/algorithmicMedia" in file
    assert b"trained" not in file


def test_equal_files_stay_equal(tmp_path):
    paths = [tmp_path / name for name in ("one.png", "two.png")]
    for path in paths:
        cv2.imwrite(str(path), picture(3))

    assert marked(paths[0], PNG) == marked(paths[1], PNG)
