"""Pictures become the network's input as with the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from models.inspyrenet.preprocess import dynamic_size, prepare, resized
from tests.models.golden.figures import assert_like
from tests.models.inspyrenet import formula
from tests.models.inspyrenet.formula import FACTS

PICTURES = FACTS["preprocess"]


@pytest.fixture(scope="module")
def picture():
    facts = PICTURES["frame"]
    picture = formula.frame(*facts["shape"][:2], facts["key_index"])
    assert_like(picture, facts["check"], atol=1e-6)
    return picture


def test_static_is_the_base_size(picture):
    x = prepare(picture, resize="static", base_size=(128, 128))

    assert x.dtype == torch.float32
    assert_like(x[0], PICTURES["static"]["result"], atol=1e-5)


def test_dynamic_keeps_the_proportions(picture):
    x = prepare(picture, resize="dynamic", base_size=(128, 128), short_side=64)

    assert_like(x[0], PICTURES["dynamic_short_side_64"]["result"], atol=1e-5)


@pytest.mark.parametrize(("size", "expected"), PICTURES["dynamic_1280_sizes_wh"])
def test_dynamic_sizes_are_those_of_the_authors_but_never_0(size, expected):
    height, width = dynamic_size((size[1], size[0]))

    assert (width, height) == tuple(max(side, 32) for side in expected)


def test_dynamic_stays_below_the_cap():
    assert dynamic_size((1300, 5000), max_pixels=1024 * 1024) == (512, 2016)
    assert dynamic_size((30, 5000), max_pixels=1024 * 1024) == (32, 4992)
    assert dynamic_size((1, 1), max_pixels=1024) == (32, 32)
    assert dynamic_size((30, 40_000), max_pixels=32 * 320) == (32, 320)


@pytest.mark.parametrize("size", [(64, 48), (120, 31), (333, 150), (1, 1), (100, 75)])
def test_a_resize_is_that_of_pillow(picture, size):
    pillow = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)

    found = resized(torch.from_numpy(picture).permute(2, 0, 1)[None], size)

    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), np.asarray(pillow))


def test_one_pixel_is_a_picture():
    x = prepare(np.full((1, 1, 3), 255, np.uint8), resize="dynamic", base_size=(64, 64))

    assert x.shape == (1, 3, 32, 32)
    assert x.unique().numel() == 3


@pytest.mark.parametrize("resize", ["static", "dynamic"])
def test_read_only_and_mirrored_pictures_are_taken(picture, resize):
    mirrored, locked = picture[:, ::-1], picture.copy()
    locked.setflags(write=False)

    plain = prepare(picture, resize=resize, base_size=(96, 128))

    assert torch.equal(prepare(locked, resize=resize, base_size=(96, 128)), plain)
    assert prepare(mirrored, resize=resize, base_size=(96, 128)).shape == plain.shape
