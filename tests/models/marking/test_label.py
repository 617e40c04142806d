"""The visible label: drawn in its corner, on request of the job or of the operator."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from models.marking.label import VisibleLabel
from models.video.writer import Writer


def gray(width, height):
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize("size", [(1920, 1080), (480, 832), (256, 256), (64, 64), (16, 16)])
def test_letters_are_drawn_in_the_lower_right_corner_and_nothing_else_changes(size):
    frame = gray(*size)
    labelled = VisibleLabel(*size).on(frame)

    changed = np.argwhere((labelled != frame).any(axis=2))
    top, left = changed.min(axis=0)
    assert np.array_equal(changed.max(axis=0), [size[1] - 1, size[0] - 1])
    assert labelled.max() > 200
    assert (frame == 128).all()
    if min(size) >= 256:
        assert top > size[1] * 0.85
        assert left > size[0] * 0.4


@pytest.mark.parametrize(
    ("by_job", "by_operator", "drawn"),
    [(False, None, False), (True, None, True), (False, "true", True), (True, "false", True)],
)
def test_job_or_operator_ask_for_it(tmp_path, monkeypatch, by_job, by_operator, drawn):
    if by_operator is not None:
        monkeypatch.setenv("KINOMILL_AI_LABEL", by_operator)
    path = tmp_path / "a.mp4"
    options = {"width": 256, "height": 192, "fps": Fraction(25), "ai_label": by_job}
    with Writer(path, **options) as writer:
        for _ in range(3):
            writer.write(gray(256, 192))

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    for frame in frames:
        corner, rest = frame[-12:, -100:], frame[:100]
        assert (np.ptp(corner) > 60) == drawn
        assert np.ptp(rest) <= 4
