"""A clip with alpha plays in a browser, and the page shines through where it is transparent."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction

import cv2
import numpy as np
import pytest

from models.video.encoding.clip_writer import ClipFormat, clip_writer

CHROMIUM = shutil.which("chromium-headless-shell")
SIDE = 160
PAGE = """<!doctype html>
<style>body {{ margin: 0; background: {color} }} video {{ display: block }}</style>
<video src="clip.webm" muted autoplay></video>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: `make browser-test`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip: a red disc, transparent around it, half transparent below its center."""
    folder = tmp_path_factory.mktemp("page")
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[..., 0] = 220
    picture[np.hypot(x - 80, y - 80) < 60, 3] = 255
    picture[(np.hypot(x - 80, y - 80) < 60) & (y > 80), 3] = 128
    with clip_writer(ClipFormat.WEBM, folder / "clip.webm", width=SIDE, height=SIDE) as writer:
        for number in range(25):
            writer.write(picture, Fraction(number, 25), Fraction(1, 25))
    return folder


@pytest.mark.parametrize(
    ("color", "around", "below"),
    [("#0000ff", (0, 0, 255), (110, 0, 127)), ("#00ff00", (0, 255, 0), (110, 127, 0))],
)
def test_the_color_of_the_page_shines_through(folder, color, around, below):
    (folder / "page.html").write_text(PAGE.format(color=color))

    image = screenshot(folder)

    near(image[10, 10], around)
    near(image[40, 80], (220, 0, 0))
    near(image[110, 80], below)


def screenshot(folder):
    """The page as RGB, after its clip has begun to play."""
    command = [CHROMIUM, "--no-sandbox", "--hide-scrollbars", "--force-color-profile=srgb"]
    command += [f"--window-size={SIDE},{SIDE}", f"--screenshot={folder / 'shot.png'}"]
    command += ["--virtual-time-budget=5000", "--autoplay-policy=no-user-gesture-required"]
    command += [f"--user-data-dir={folder / 'profile'}", (folder / "page.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return cv2.cvtColor(cv2.imread(str(folder / "shot.png")), cv2.COLOR_BGR2RGB)


def near(pixel, color):
    assert np.abs(pixel.astype(int) - color).max() <= 12, (pixel, color)
