"""The poster of a result: one frame that shows something, small, upright and opaque."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.file_type import MP4, PNG, ZIP, FileType
from models.poster.poster import MAX_SIDE, make_poster
from models.video.encoding.png_zip import PngZipWriter
from models.video.writer import Writer

BARS = np.zeros((96, 160, 3), np.uint8)
BARS[:, ::16] = BARS[:, 1::16] = BARS[:, 2::16] = (30, 200, 250)


def clip(path, frames):
    height, width = frames[0].shape[:2]
    with Writer(path, width=width, height=height, fps=Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def is_like(image, wanted, *, tolerance=12):
    return np.abs(image.astype(int) - wanted).mean() < tolerance


def test_the_first_frame_that_shows_something_is_taken(tmp_path):
    black, later = np.zeros_like(BARS), BARS[:, ::-1].copy()
    path = clip(tmp_path / "a.mp4", [black] * 10 + [BARS] * 5 + [later] * 5)

    poster = make_poster(path, MP4, tmp_path / "p.jpg")

    assert (poster.width, poster.height) == (160, 96)
    assert is_like(read(poster.path), BARS)


def test_no_process_reads_a_result_first(tmp_path, monkeypatch):
    monkeypatch.setattr("models.video.guarded.demuxing.PROGRAM", "there_is_no_such_program")

    assert make_poster(clip(tmp_path / "a.mp4", [BARS]), MP4, tmp_path / "p.jpg") is not None


def test_of_a_clip_that_shows_nothing_the_best_frame_is_taken(tmp_path):
    dim = (BARS // 16).astype(np.uint8)
    path = clip(tmp_path / "a.mp4", [np.zeros_like(BARS)] * 3 + [dim] * 3)

    assert is_like(read(make_poster(path, MP4, tmp_path / "p.jpg").path), dim, tolerance=4)


@pytest.mark.parametrize(("width", "height"), [(1600, 400), (400, 1600), (60, 30)])
def test_no_side_is_longer_than_the_limit(tmp_path, width, height):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), cv2.resize(BARS, (width, height)))

    poster = make_poster(path, PNG, tmp_path / "p.jpg")

    assert max(poster.width, poster.height) == min(max(width, height), MAX_SIDE)
    assert poster.width / poster.height == pytest.approx(width / height, rel=0.02)
    assert read(poster.path).shape == (poster.height, poster.width, 3)
    assert poster.path.stat().st_size < 150_000


def test_what_is_transparent_becomes_white(tmp_path):
    image = np.zeros((80, 80, 4), np.uint8)
    image[20:60, 20:60] = (0, 0, 255, 255)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)

    shown = read(make_poster(path, PNG, tmp_path / "p.jpg").path)

    assert is_like(shown[5, 5], (255, 255, 255))
    assert is_like(shown[40, 40], (0, 0, 255), tolerance=20)


def test_a_zip_of_frames_has_its_first_one(tmp_path):
    with PngZipWriter(tmp_path / "a.zip", width=160, height=96) as writer:
        for index in range(2):
            writer.write(
                BARS[..., ::-1].copy(), begin=Fraction(index, 25), duration=Fraction(1, 25)
            )

    shown = read(make_poster(tmp_path / "a.zip", ZIP, tmp_path / "p.jpg").path)

    assert is_like(shown, BARS)


def test_a_file_of_another_type_has_none(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")

    assert make_poster(tmp_path / "a.bin", FileType("a/b", "bin"), tmp_path / "p.jpg") is None


def test_a_file_that_cannot_be_decoded_is_an_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))

    with pytest.raises(InputRejected):
        make_poster(tmp_path / "a.mp4", MP4, tmp_path / "p.jpg")
