"""Lines of curl from the documentation of other servers, down to the file that they write."""

from __future__ import annotations

import av
import pytest

from kinomill import Client
from tests.api.videos.documented_lines import LINES
from tests.conftest import EXAMPLES

SYNC = [line for line in LINES if line.waits]
CONTENT = [line for line in LINES if "/content" in line.text]


@pytest.fixture
def media(photo):
    return {".png": photo, ".jpg": photo}


@pytest.fixture(scope="module")
def finished(stack):
    """The id of a video of 9 frames."""
    with Client(stack.url) as client:
        request = {"prompt": "wind", "frames": 9, "width": 208, "height": 304}
        return client.run("preview-i2v", image=EXAMPLES / "face.jpg", **request).id


def shape_of(folder):
    """Width, height and frames of the one file in a folder."""
    [file] = folder.iterdir()
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height, sum(1 for _ in container.decode(stream))


@pytest.mark.parametrize("line", SYNC, ids=str)
def test_a_documented_line_makes_and_writes_a_video(line, stack, media, tmp_path):
    line.run(stack.url, tmp_path, media)

    assert shape_of(tmp_path) == tuple(line.makes)


@pytest.mark.parametrize("line", CONTENT, ids=str)
def test_a_documented_line_downloads_a_video(line, stack, media, finished, tmp_path):
    line.run(stack.url, tmp_path, media, finished)

    assert shape_of(tmp_path) == (208, 304, 9)
