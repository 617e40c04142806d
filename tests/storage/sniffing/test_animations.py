"""An animated picture of too many frames or pixels is refused by its headers."""

from __future__ import annotations

import pytest

from storage.sniffing.media import MediaRejected, check_media
from tests.media import large_animations

KINDS = ["gif", "apng", "webp", "avif"]


def written(path, kind, *values, **options):
    path.write_bytes(getattr(large_animations, kind)(*values, **options))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_of_all_frames_have_a_limit(tmp_path, kind):
    check_media(written(tmp_path / "most", kind, 5000, 5000, 160), "video")

    with pytest.raises(MediaRejected, match="more than 160 frames of 5000 x 5000") as refusal:
        check_media(written(tmp_path / "more", kind, 5000, 5000, 161), "video")

    assert refusal.value.code == "too_large"


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_has_a_limit(tmp_path, kind):
    with pytest.raises(
        MediaRejected, match="8000 x 5001: use one of at most 40,000,000"
    ) as refusal:
        check_media(written(tmp_path / "clip", kind, 8000, 5001, 2), "video")

    assert refusal.value.code == "too_large"


def test_the_number_of_frames_has_a_limit(tmp_path):
    """Of the others, so many headers are left to the worker."""
    check_media(written(tmp_path / "most", "avif", 64, 64, 20_000), "video")

    with pytest.raises(MediaRejected, match="more than 20,000 frames of 64 x 64"):
        check_media(written(tmp_path / "more", "avif", 64, 64, 20_001), "video")


def test_a_gif_is_counted_as_far_as_its_headers_are_read(tmp_path):
    """Each frame after 30 comments: those of the first 10,000 reads are too many pixels."""
    with pytest.raises(MediaRejected, match="more than 100 frames"):
        check_media(written(tmp_path / "clip", "gif", 8000, 5000, 1000, extensions=30), "video")


def test_the_first_frame_of_a_long_gif_is_an_image(tmp_path):
    assert check_media(written(tmp_path / "photo", "gif", 1280, 720, 5000), "image").name == "GIF"
