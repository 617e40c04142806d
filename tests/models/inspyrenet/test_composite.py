"""Every kind of output, against the authors' code and as a job makes it."""

from __future__ import annotations

import numpy as np
import pytest

from models.inspyrenet.composite import compose, cover, resize_aligned
from models.inspyrenet.foreground import estimate_foreground
from tests.models.golden.figures import assert_like
from tests.models.inspyrenet import formula
from tests.models.inspyrenet.formula import FACTS, assert_map

RECORDED = FACTS["postprocess"]
OPTIONS = {
    "map": {"output": "map"},
    "rgba_plain": {"output": "rgba", "refine_foreground": False},
    "green": {"output": "color"},
    "white": {"output": "color", "color": (255, 255, 255)},
    "colour_12_200_99": {"output": "color", "color": (12, 200, 99)},
    "blur": {"output": "blur"},
    "map_reverse": {"output": "map", "reverse": True},
    "map_threshold_0.5": {"output": "map", "threshold": 0.5},
    "green_reverse_threshold_0.4": {"output": "color", "threshold": 0.4, "reverse": True},
}


@pytest.fixture(scope="module")
def picture():
    return formula.frame(120, 150, RECORDED["frame_key_index"])


@pytest.fixture(scope="module")
def saliency():
    facts = RECORDED["input_map"]
    made = formula.saliency(*facts["shape"], facts["key_index"])
    assert_like(made, facts["check"], atol=1e-6)
    return made


def test_the_map_is_resized_between_the_centers_of_its_corners(saliency):
    assert_like(resize_aligned(saliency, (120, 150)), RECORDED["resized"], atol=1e-5)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_output_equals_the_authors_code(name, picture, saliency):
    found = compose(picture, saliency, upstream=True, **OPTIONS[name])

    assert_map(found, RECORDED[name])


def test_a_stretched_background_equals_the_authors_code(picture, saliency):
    facts = RECORDED["background_image"]
    background = formula.frame(*facts["frame"]["shape"][:2], facts["frame"]["key_index"])

    found = compose(picture, saliency, output="image", background=background, upstream=True)

    assert_map(found, facts["result"])


def test_the_overlay_equals_the_authors_code_but_for_its_line(picture, saliency):
    found = compose(picture, saliency, output="overlay", upstream=True)
    facts = RECORDED["overlay"]

    line = (found == (120, 255, 155)).all(axis=2).repeat(3).reshape(found.shape)
    kept = [n for n, index in enumerate(facts["sample_flat_index"]) if not line.flat[index]]
    samples = {key: [facts[key][n] for n in kept] for key in ("sample_flat_index", "sample_value")}
    assert len(kept) > 12
    assert_map(found, facts | samples, mean=0.5)
    assert 100 < line.sum() / 3 < 1000


def test_a_job_rounds_where_the_authors_cut_off(picture, saliency):
    ours, theirs = (compose(picture, saliency, output="map", upstream=flag) for flag in (0, 1))

    assert 0.4 < ours.mean() - theirs.mean() < 0.6


def test_a_background_keeps_its_proportions():
    background = np.zeros((60, 200, 3), np.uint8)
    background[:, 100:] = 255

    found = cover(background, (100, 100))

    assert found.shape == (100, 100, 3)
    assert (found[:, :49] == 0).all()
    assert (found[:, 51:] == 255).all()


@pytest.mark.parametrize(("size", "result"), [((1, 1), (37, 20)), ((5000, 30), (16, 16))])
def test_a_background_of_any_size_covers(size, result):
    assert cover(np.full((*size, 3), 9, np.uint8), result).mean() == 9


@pytest.mark.parametrize("size", [(1, 1), (30, 5000), (2, 900)])
@pytest.mark.parametrize("output", ["rgba", "map", "color", "blur", "image", "overlay"])
def test_pictures_of_any_size_are_composed(size, output):
    picture = np.full((*size, 3), 77, np.uint8)

    found = compose(picture, np.ones((32, 32)), output=output, background=picture)

    assert found.shape == (*size, 4 if output == "rgba" else 3)
    assert found[..., :3].max() == {"map": 255, "overlay": 166}.get(output, 77)


def test_a_background_image_must_be_given(picture, saliency):
    with pytest.raises(ValueError, match="background"):
        compose(picture, saliency, output="image")


def test_the_foreground_estimate_removes_the_old_background_from_a_soft_edge():
    alpha = np.clip((np.arange(160, dtype=np.float32) - 60) / 40, 0, 1)[np.newaxis].repeat(90, 0)
    foreground, old = np.array([200, 60, 30]), np.array([20, 90, 220])
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * old
    picture = (mixed + 0.5).astype(np.uint8)
    edge = (alpha > 0.05) & (alpha < 0.95)

    estimate = estimate_foreground(picture, alpha)

    before = np.abs(picture[edge] - foreground.astype(float)) * alpha[edge][:, None]
    after = np.abs(estimate[edge] - foreground.astype(float)) * alpha[edge][:, None]
    assert after.mean() < before.mean() / 3
    assert np.array_equal(estimate[alpha == 1], picture[alpha == 1])


def test_a_threshold_leaves_the_colors_as_they_are(picture, saliency):
    found = compose(picture, saliency, output="rgba", threshold=0.5)

    assert np.array_equal(found[..., :3], picture)
    assert set(np.unique(found[..., 3])) == {0, 255}


def test_a_color_may_be_written_as_in_a_job(picture, saliency):
    numbers = compose(picture, saliency, output="color", color=(12, 200, 99))

    assert np.array_equal(compose(picture, saliency, output="color", color="#0cc863"), numbers)


@pytest.mark.parametrize("output", ["rgba", "blur", "image", "overlay"])
def test_pictures_that_cannot_be_written_to_are_composed(picture, saliency, output):
    locked = picture.copy()
    locked.setflags(write=False)

    found = compose(locked, saliency[np.newaxis, np.newaxis], output=output, background=locked)

    assert np.array_equal(found, compose(picture, saliency, output=output, background=picture))
