"""Background removal without weights, over HTTP: one request, from the picture to the bytes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kinomill import ApiError, InvalidInput
from tests.acceptance.pictures import UNUSUAL, turned

MODEL = "preview-cutout"
SIZE = (120, 80)


@pytest.fixture(scope="module")
def picture():
    """A red disc on blue, a little above and left of the middle."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    inside = (rows - 38) ** 2 + (columns - 55) ** 2 < 24**2
    noise = np.random.default_rng(5).integers(-9, 9, (SIZE[1], SIZE[0], 3))
    colors = np.where(inside[..., None], (200, 30, 30), (30, 60, 190)) + noise
    return Image.fromarray(colors.clip(0, 255).astype(np.uint8))


@pytest.fixture
def remove(client, tmp_path):
    """The picture without its background, from the file of another."""

    def run(path, to="out.png", **fields):
        with Image.open(
            client.remove_background(path, tmp_path / to, model=MODEL, **fields)
        ) as out:
            out.load()
            return out

    return run


@pytest.mark.parametrize(
    ("to", "fields", "kind", "mode"),
    [
        ("a.png", {}, "PNG", "RGBA"),
        ("a.webp", {}, "WEBP", "RGBA"),
        ("a.jpg", {"output": "color", "color": "#00ff00"}, "JPEG", "RGB"),
    ],
)
def test_a_picture_in_each_format(remove, picture, tmp_path, to, fields, kind, mode):
    picture.save(tmp_path / "in.png")

    found = remove(tmp_path / "in.png", to, **fields)

    assert (found.format, found.mode, found.size) == (kind, mode, SIZE)
    pixels = np.asarray(found).astype(int)
    if mode == "RGBA":
        assert (pixels[2, 2, 3], pixels[38, 55, 3]) == (0, 255)
    else:
        assert np.abs(pixels[2, 2] - (0, 255, 0)).max() < 12


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_pictures(remove, picture, tmp_path, name):
    UNUSUAL[name](picture.copy(), tmp_path / name)
    with Image.open(tmp_path / name) as source:
        size = source.size

    found = remove(tmp_path / name)

    assert (found.format, found.mode, found.size) == ("PNG", "RGBA", size)


def test_each_orientation_is_made_upright(remove, picture, tmp_path):
    results = [
        np.asarray(remove(turned(picture, tmp_path / f"{number}.png", number)))
        for number in range(1, 9)
    ]

    assert results[0].shape == (SIZE[1], SIZE[0], 4)
    assert all(np.array_equal(results[0], each) for each in results)


def test_the_job_behind_it_is_a_job_as_any_other(client, picture, tmp_path):
    picture.save(tmp_path / "in.png")

    job = client.submit(MODEL, image=tmp_path / "in.png", wait=60)

    assert job.succeeded
    assert (job.result.content_type, job.result.suffix) == ("image/png", ".png")
    assert (job.result.width, job.result.height, job.result.fps) == (*SIZE, None)
    assert "no neural network" in job.result.notes["label"]
    assert client.download(job, tmp_path).name == f"{job.id}.png"


def test_a_picture_that_is_cut_off_is_a_problem_with_the_code_of_its_job(client, tmp_path):
    Image.effect_noise((120, 80), 60).save(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()

    with pytest.raises(ApiError) as failure:
        client.remove_background(content[: len(content) // 2], tmp_path / "a.png", model=MODEL)

    assert (failure.value.status, failure.value.code) == (422, "media_unreadable")
    assert not (tmp_path / "a.png").exists()


def test_a_jpeg_with_transparency_is_refused(client, picture, tmp_path):
    picture.save(tmp_path / "in.png")

    with pytest.raises(InvalidInput, match="no transparency"):
        client.remove_background(tmp_path / "in.png", tmp_path / "a.jpg", model=MODEL)
