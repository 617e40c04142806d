"""The preview of background removal: honest about itself, and true to the input's options."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.cutout.input import PictureInput
from models.preview_cutout.card import CARD
from models.preview_cutout.runner import LABEL, Runner
from models.preview_cutout.segmentation import MAX_SIDE, find_foreground

RED, BLUE = (200, 30, 30), (30, 60, 190)


def disc(width=320, height=240):
    """A red disc on blue with a little noise, and its mask."""
    rows, columns = np.mgrid[0:height, 0:width]
    radius = min(width, height) * 0.3
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < radius**2
    noise = np.random.default_rng(5).integers(-12, 12, (height, width, 3))
    colors = np.where(inside[..., None], RED, BLUE)
    return (colors + noise).clip(0, 255).astype(np.uint8), inside


@pytest.fixture(scope="module")
def runner():
    runner = Runner()
    runner.warm_up()
    return runner


@pytest.fixture
def run(runner, tmp_path):
    def run(pixels, background=None, **fields):
        inputs = {}
        for name, content in (("image", pixels), ("background", background)):
            if content is not None:
                inputs[name] = tmp_path / name
                Image.fromarray(content).save(inputs[name], "PNG")
        params = PictureInput.model_validate(dict.fromkeys(inputs, "file_1") | fields)
        stages = []
        result = runner.generate(
            params, inputs, tmp_path / "video.mp4", lambda stage, *_: stages.append(stage.value)
        )
        assert stages == ["preprocessing", "generating", "encoding"]
        with Image.open(result.path) as image:
            return result, np.asarray(image)

    return run


def test_a_disc_is_cut_out(run):
    pixels, inside = disc()

    result, read = run(pixels)

    assert result.notes["label"] == LABEL
    assert result.notes["foreground_share"] == pytest.approx(inside.mean(), abs=0.02)
    assert read.shape == (240, 320, 4)
    assert ((read[..., 3] > 127) == inside).mean() > 0.99


@pytest.mark.parametrize(
    ("fields", "corner", "center"),
    [
        ({"output": "color", "color": "#00ff00"}, (0, 255, 0), RED),
        ({"output": "color", "format": "jpeg"}, (255, 255, 255), RED),
        ({"output": "map"}, (0, 0, 0), (255, 255, 255)),
        ({"output": "map", "reverse": True}, (255, 255, 255), (0, 0, 0)),
        ({"output": "blur", "format": "webp"}, BLUE, RED),
        ({"output": "overlay"}, BLUE, (160, 142, 92)),
    ],
)
def test_each_output_shows_what_it_says(run, fields, corner, center):
    _, read = run(disc()[0], **fields)

    assert read.shape == (240, 320, 3)
    assert np.abs(read[3, 3].astype(int) - corner).max() < 25
    assert np.abs(read[120, 160].astype(int) - center).max() < 25


def test_another_picture_becomes_the_background(run):
    behind = np.full((64, 64, 3), (250, 200, 0), np.uint8)

    _, read = run(disc()[0], behind, output="image")

    assert np.abs(read[3, 3].astype(int) - (250, 200, 0)).max() < 3


def test_equal_pictures_give_equal_files(run):
    files = [run(disc()[0])[0].path.read_bytes() for _ in range(2)]

    assert files[0] == files[1]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5000, 30), (30, 5000), (2, 2), (4000, 3000)])
@pytest.mark.parametrize("level", [0, 255])
def test_any_size_and_a_single_color_have_a_map(size, level):
    found = find_foreground(np.full((size[1], size[0], 3), level, np.uint8))

    assert max(found.shape) <= MAX_SIDE
    assert 0 <= found.min() <= found.max() <= 1
    assert np.isfinite(found).all()


def test_the_card_says_that_it_is_a_placeholder():
    assert "placeholder" in CARD.summary
    assert "without a neural network" in CARD.summary
    assert CARD.task == "background-removal"
