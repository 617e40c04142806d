import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.wan.request.framing import frame_image
from models.wan.request.image_fit import draw, fit_image, resize
from models.wan.request.input import TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.variants import WAN2_2_I2V

FITS = st.sampled_from(["crop", "pad"])
SIDES = st.integers(64, 4000)
FRAMES = st.integers(4, 120).map(lambda patches: 16 * patches)


def resolved_for(image, **values):
    height, width = image.shape[:2]
    values = {"image": "file_1", "prompt": "waves roll in", "seed": 7, **values}
    return resolve(TwoExpertInput.model_validate(values), WAN2_2_I2V, (width, height))


def dotted(width, height, radius):
    """A white disk in the center of a gray image."""
    image = np.full((height, width, 3), 90, np.uint8)
    return cv2.circle(image, (width // 2, height // 2), radius, (255, 255, 255), -1)


def extent(frame):
    """Width and height of the white part."""
    rows, columns = np.nonzero(frame[..., 0] > 220)
    return np.ptp(columns) + 1, np.ptp(rows) + 1


@given(SIDES, SIDES, FRAMES, FRAMES, FITS)
def test_crop_and_area_are_inside_and_centered(width, height, across, down, fit):
    framing = frame_image((width, height), (across, down), fit)

    for box, outer in ((framing.crop, (width, height)), (framing.area, (across, down))):
        assert box.width >= 1
        assert box.height >= 1
        assert abs(2 * box.left + box.width - outer[0]) <= 1
        assert abs(2 * box.top + box.height - outer[1]) <= 1


@given(SIDES, SIDES, FRAMES, FRAMES, FITS)
def test_the_aspect_ratio_changes_by_less_than_a_pixel(width, height, across, down, fit):
    framing = frame_image((width, height), (across, down), fit)

    crop, area = framing.crop, framing.area
    off = abs(crop.width * area.height - crop.height * area.width)
    assert off <= max(area.width, area.height, crop.width, crop.height)


@given(SIDES, SIDES, FRAMES, FRAMES)
def test_a_padded_image_is_cropped_by_at_most_a_sixteenth(width, height, across, down):
    crop = frame_image((width, height), (across, down), "pad").crop

    assert crop.width * crop.height >= width * height * 15 / 16 - max(width, height)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(900, 300), (300, 900), (1500, 1500)], ids=str)
def test_a_disk_stays_round(size, fit):
    image = dotted(*size, radius=100)
    resolved = resolved_for(image, width=512, height=512, fit=fit)

    frame = fit_image(image, resolved)

    area = resolved.framing.area
    across, down = extent(frame[area.top :][: area.height, area.left :][:, : area.width])
    assert frame.shape == (512, 512, 3)
    assert abs(across - down) <= 2
    assert across == pytest.approx(201 * resolved.framing.scale, abs=3)


def test_a_last_image_of_another_size_fits_the_same_frame():
    resolved = resolved_for(dotted(800, 600, 50))

    last = fit_image(dotted(500, 900, 100), resolved)

    assert last.shape == (resolved.height, resolved.width, 3)
    assert abs(np.subtract(*extent(last))) <= 2


def test_the_border_of_a_padded_image_is_a_blurred_copy():
    left = np.full((300, 150, 3), (200, 40, 40), np.uint8)
    image = np.hstack([left, left[..., ::-1]])

    frame = fit_image(image, resolved_for(image, width=832, height=480, fit="pad"))

    assert np.abs(frame[:, 5].astype(int) - (200, 40, 40)).max() <= 2
    assert np.abs(frame[:, -5].astype(int) - (40, 40, 200)).max() <= 2


def test_an_image_of_the_frame_size_is_unchanged():
    image = np.random.default_rng(3).integers(0, 256, (480, 832, 3), np.uint8)

    assert np.array_equal(fit_image(image, resolved_for(image)), image)


def test_shrinking_averages_the_area():
    noise = np.random.default_rng(3).integers(0, 256, (1920, 3328, 3), np.uint8)

    frame = fit_image(noise, resolved_for(noise))

    means = noise.reshape(480, 4, 832, 4, 3).mean(axis=(1, 3))
    assert np.abs(frame - means).max() <= 1


def test_a_few_pixels_are_cropped_and_not_padded():
    assert resolved_for(dotted(1600, 1200, 50), fit="pad").notes()["framing"] == (
        "cropped to 1588 x 1200 around its center"
    )


def test_enlarging_is_smooth():
    steps = np.repeat(np.arange(0, 250, 25, np.uint8), 8)
    image = np.broadcast_to(steps[None, :, None], (64, 80, 3)).copy()

    grown = resize(image, 320, 256).astype(int)

    assert np.abs(np.diff(grown[128, :, 0])).max() <= 13


@settings(max_examples=20, deadline=None)
@given(st.integers(64, 400), st.integers(64, 400), FITS)
def test_every_image_fills_the_frame(width, height, fit):
    image = np.full((height, width, 3), 77, np.uint8)

    frame = draw(image, frame_image((width, height), (160, 96), fit))

    assert frame.shape == (96, 160, 3)
    assert np.all(frame == 77)
