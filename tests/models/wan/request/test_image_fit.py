import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.wan.request.framing import placed
from models.wan.request.image_fit import drawn, fitted, scaled
from models.wan.request.input import TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.variants import WAN2_2_I2V

FITS = st.sampled_from(["crop", "pad"])
SIDES = st.integers(64, 4000)
FRAMES = st.integers(4, 120).map(lambda patches: 16 * patches)


def settled(picture, **wish):
    height, width = picture.shape[:2]
    values = {"image": "file_1", "prompt": "waves roll in", "seed": 7, **wish}
    return resolve(TwoExpertInput.model_validate(values), WAN2_2_I2V, (width, height))


def dotted(width, height, radius):
    """A white disk on gray about the middle."""
    picture = np.full((height, width, 3), 90, np.uint8)
    return cv2.circle(picture, (width // 2, height // 2), radius, (255, 255, 255), -1)


def extent(frame):
    """Width and height of what is white."""
    rows, columns = np.nonzero(frame[..., 0] > 220)
    return np.ptp(columns) + 1, np.ptp(rows) + 1


@given(SIDES, SIDES, FRAMES, FRAMES, FITS)
def test_parts_and_places_lie_within_and_about_the_middle(width, height, across, down, fit):
    placement = placed((width, height), (across, down), fit)

    for box, outer in ((placement.part, (width, height)), (placement.place, (across, down))):
        assert box.width >= 1
        assert box.height >= 1
        assert abs(2 * box.left + box.width - outer[0]) <= 1
        assert abs(2 * box.top + box.height - outer[1]) <= 1


@given(SIDES, SIDES, FRAMES, FRAMES, FITS)
def test_nothing_is_squashed_by_more_than_a_pixel(width, height, across, down, fit):
    placement = placed((width, height), (across, down), fit)

    part, place = placement.part, placement.place
    off = abs(part.width * place.height - part.height * place.width)
    assert off <= max(place.width, place.height, part.width, part.height)


@given(SIDES, SIDES, FRAMES, FRAMES)
def test_a_padded_picture_loses_no_more_than_a_sixteenth(width, height, across, down):
    part = placed((width, height), (across, down), "pad").part

    assert part.width * part.height >= width * height * 15 / 16 - max(width, height)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(900, 300), (300, 900), (1500, 1500)], ids=str)
def test_a_disk_stays_a_disk(size, fit):
    picture = dotted(*size, radius=100)
    resolved = settled(picture, width=512, height=512, fit=fit)

    frame = fitted(picture, resolved)

    place = resolved.placement.place
    across, down = extent(frame[place.top :][: place.height, place.left :][:, : place.width])
    assert frame.shape == (512, 512, 3)
    assert abs(across - down) <= 2
    assert across == pytest.approx(201 * resolved.placement.scale, abs=3)


def test_a_last_picture_of_another_size_comes_to_the_same_frame():
    resolved = settled(dotted(800, 600, 50))

    last = fitted(dotted(500, 900, 100), resolved)

    assert last.shape == (resolved.height, resolved.width, 3)
    assert abs(np.subtract(*extent(last))) <= 2


def test_the_border_of_a_padded_picture_is_a_blurred_copy():
    left = np.full((300, 150, 3), (200, 40, 40), np.uint8)
    picture = np.hstack([left, left[..., ::-1]])

    frame = fitted(picture, settled(picture, width=832, height=480, fit="pad"))

    assert np.abs(frame[:, 5].astype(int) - (200, 40, 40)).max() <= 2
    assert np.abs(frame[:, -5].astype(int) - (40, 40, 200)).max() <= 2


def test_a_picture_of_the_own_size_is_not_touched():
    picture = np.random.default_rng(3).integers(0, 256, (480, 832, 3), np.uint8)

    assert np.array_equal(fitted(picture, settled(picture)), picture)


def test_what_shrinks_is_the_mean_of_its_area():
    noise = np.random.default_rng(3).integers(0, 256, (1920, 3328, 3), np.uint8)

    frame = fitted(noise, settled(noise))

    means = noise.reshape(480, 4, 832, 4, 3).mean(axis=(1, 3))
    assert np.abs(frame - means).max() <= 1


def test_a_hem_of_a_few_pixels_is_cut_and_not_padded():
    assert settled(dotted(1600, 1200, 50), fit="pad").notes()["placement"] == (
        "cut to 1588 x 1200 about its middle"
    )


def test_what_grows_is_smooth():
    steps = np.repeat(np.arange(0, 250, 25, np.uint8), 8)
    picture = np.broadcast_to(steps[None, :, None], (64, 80, 3)).copy()

    grown = scaled(picture, 320, 256).astype(int)

    assert np.abs(np.diff(grown[128, :, 0])).max() <= 13


@settings(max_examples=20, deadline=None)
@given(st.integers(64, 400), st.integers(64, 400), FITS)
def test_every_picture_fills_the_frame(width, height, fit):
    picture = np.full((height, width, 3), 77, np.uint8)

    frame = drawn(picture, placed((width, height), (160, 96), fit))

    assert frame.shape == (96, 160, 3)
    assert np.all(frame == 77)
