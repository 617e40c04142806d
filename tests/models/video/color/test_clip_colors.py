import numpy as np
import pytest

from models.errors import InputRejected
from models.video.frames import frames
from tests.models.video.color import reference
from tests.models.video.color.reference import HLG, PQ, error


def first(path, **values):
    return next(frames(path, **values))


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("matrix", [9, 2], ids=["flagged", "unflagged"])
def test_hdr_is_tone_mapped(tmp_path, transfer, matrix):
    rgb = reference.picture()
    planes = reference.yuv(reference.hdr(rgb, transfer), 9)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(9, transfer, matrix))

    assert error(first(path), rgb) < 6


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_scaling_and_tone_mapping_go_together(tmp_path, transfer):
    rgb = reference.picture()
    planes = reference.yuv(reference.hdr(rgb, transfer), 9)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(9, transfer, 9))

    small = first(path, max_side=96)

    assert small.shape == (64, 96, 3)
    assert error(small, rgb[::2, ::2]) < 8


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_of_hdr_keep_their_order_and_do_not_clip_early(tmp_path, transfer):
    light = np.repeat(np.linspace(0, 4.9, 192)[None, :, None], 3, axis=2).repeat(64, axis=0)
    signal = {PQ: reference.pq, HLG: reference.hlg}[transfer](light)
    path = reference.clip(tmp_path / "clip.mp4", reference.yuv(signal, 9), flags=(9, transfer, 9))

    row = first(path)[32, :, 1].astype(int)

    assert (np.diff(row) >= -1).all()
    assert 240 <= row[192 // 2] <= 253
    assert row[-1] >= 254


@pytest.mark.parametrize(
    ("primaries", "matrix", "from_bt709"),
    [(9, 9, reference.BT2020_FROM_BT709), (12, 1, reference.P3_FROM_BT709)],
    ids=["bt2020", "display-p3"],
)
def test_wide_primaries_become_those_of_srgb(tmp_path, primaries, matrix, from_bt709):
    rgb = reference.picture()
    light = reference.linear(rgb) @ from_bt709.T
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    planes = reference.yuv(signal, matrix)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(primaries, 1, matrix))

    assert error(first(path), rgb) < 2


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_matrix_and_range_are_those_of_the_flags(tmp_path, matrix, full, bits):
    rgb = reference.picture()
    planes = reference.yuv(rgb / 255, matrix, full=full)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(2, 2, matrix), full=full, bits=bits)

    assert error(first(path), rgb) < 1.5


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(192, 128, 5), (720, 576, 5), (1280, 536, 1), (64, 1280, 1), (608, 608, 1)],
)
def test_without_flags_the_matrix_is_guessed_by_the_size(tmp_path, width, height, matrix):
    rgb = reference.picture(width, height)
    planes = reference.yuv(rgb / 255, matrix)
    path = reference.clip(tmp_path / "clip.mp4", planes, bits=8, frames=1)

    assert error(first(path), rgb) < 1.5


@pytest.mark.parametrize("matrix", [3, 10, 11, 12, 13])
def test_a_matrix_that_nobody_can_decode_by_is_guessed(tmp_path, matrix):
    rgb = reference.picture()
    planes = reference.yuv(rgb / 255, 9 if matrix == 10 else 5)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(2, 2, matrix), bits=8)

    assert error(first(path), rgb) < 1.5


@pytest.mark.parametrize(("matrix", "name"), [(8, "YCgCo"), (14, "ICtCp")])
def test_another_color_model_is_refused_by_its_name(tmp_path, matrix, name):
    planes = reference.yuv(reference.picture() / 255, 5)
    path = reference.clip(tmp_path / "clip.mp4", planes, flags=(2, 2, matrix), bits=8)

    with pytest.raises(InputRejected, match=name) as rejected:
        first(path)

    assert rejected.value.code == "media_unreadable"
