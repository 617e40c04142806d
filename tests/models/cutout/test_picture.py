"""Pictures in and out of files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.cutout.picture import read_rgb, save_picture
from models.errors import InputRejected
from models.file_type import JPEG, PNG, WEBP


def gradient(channels):
    rows, columns = np.mgrid[0:40, 0:60]
    planes = [rows * 6, columns * 4, (rows + columns) * 2, 255 - columns * 4]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("form", "kind", "channels", "error"),
    [("png", PNG, 4, 0), ("png", PNG, 3, 0), ("webp", WEBP, 4, 6), ("jpeg", JPEG, 3, 4)],
)
def test_a_saved_picture_is_what_another_program_reads(tmp_path, form, kind, channels, error):
    pixels = gradient(channels)

    result = save_picture(pixels, tmp_path / "video.mp4", form, notes={"a": 1})

    assert result.path == tmp_path / f"video{kind.suffix}"
    assert (result.file_type, result.width, result.height) == (kind, 60, 40)
    assert (result.fps, result.frames, result.duration_seconds, result.has_audio) == (None,) * 4
    assert kind.fits(result.path.read_bytes()[:16])
    with Image.open(result.path) as image:
        read = np.asarray(image)
    assert np.abs(read.astype(int) - pixels).max(axis=(0, 1))[-1] <= max(error, 4 * (error > 0))
    assert np.abs(read.astype(int) - pixels).mean() <= error / 2


def test_a_side_that_the_format_does_not_allow_is_refused(tmp_path):
    with pytest.raises(InputRejected, match="16,383 pixels a side") as refusal:
        save_picture(np.zeros((1, 20_000, 3), np.uint8), tmp_path / "a.mp4", "webp")

    assert (refusal.value.code, refusal.value.field) == ("too_large", "image")


def test_a_single_pixel_is_a_picture(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")

    assert read_rgb(tmp_path / "a.png", "image").tolist() == [[[1, 2, 3]]]


def test_a_file_that_is_no_picture_is_that_of_its_field(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")

    with pytest.raises(InputRejected) as refusal:
        read_rgb(tmp_path / "a.png", "background")

    assert (refusal.value.code, refusal.value.field) == ("media_unreadable", "background")
