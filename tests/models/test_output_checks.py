"""A run that computed NaN, a single color or the same picture all the time is no success."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.errors import OutputInvalid
from models.output_checks import (
    FrameWatch,
    MouthWatch,
    check_faces,
    check_finite,
    check_mouths_move,
)


def noise(seed, height=90, width=160):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def plain(value, height=90, width=160):
    return np.full((height, width, 3), value, np.uint8)


def code_of(act, *arguments):
    with pytest.raises(OutputInvalid) as caught:
        act(*arguments)
    return caught.value.code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_found(value):
    array = np.zeros((3, 4), np.float32)
    array[2, 1] = value

    assert code_of(check_finite, array, "it") == "output_not_finite"
    assert code_of(check_finite, torch.from_numpy(array).bfloat16(), "it") == "output_not_finite"


def test_the_message_names_the_network_and_says_what_to_do():
    with pytest.raises(OutputInvalid, match=r"the VAE computed NaN .* set a larger format, or"):
        check_finite(np.array([np.nan]), "the VAE")


def watched(frames):
    return list(FrameWatch().watch(frames))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_frames_that_move_pass_unchanged(count):
    frames = [noise(number) for number in range(count)]

    assert all(one is other for one, other in zip(watched(frames), frames, strict=True))


@pytest.mark.parametrize(
    "frames",
    [
        [plain(0)] * 5,
        [plain(128)],
        [plain(127), plain(128), plain(127)],
        [noise(1), *[plain(0)] * 8],
        [plain(value) for value in range(0, 250, 50)],
    ],
)
def test_frames_of_a_single_color_are_an_error(frames):
    assert code_of(watched, frames) == "output_blank"


@pytest.mark.parametrize(
    "frames",
    [[noise(1)] * 5, [noise(1), *[noise(2)] * 5], [noise(1) // 2 + n % 2 for n in range(9)]],
)
def test_frames_that_never_move_are_an_error(frames):
    assert code_of(watched, frames) == "output_frozen"


def test_one_frame_that_differs_is_enough():
    assert len(watched([noise(1)] * 5 + [noise(2)])) == 6


def test_no_frames_pass_and_one_frame_cannot_be_frozen():
    assert watched([]) == []
    assert len(watched([noise(1)])) == 1


def test_faces_of_a_single_color_are_an_error():
    check_faces([plain(3), noise(1)])

    assert code_of(check_faces, [plain(3), plain(4)]) == "output_blank"


def test_equal_faces_of_different_sounds_are_an_error():
    check_mouths_move(np.stack([noise(1), noise(2)]))
    check_mouths_move(np.stack([noise(1)]))

    assert code_of(check_mouths_move, np.stack([noise(1), noise(1)])) == "output_frozen"


def mouths(count, *, face=lambda _: noise(1), sound=np.array, picture=None):
    watch, picture = MouthWatch(), picture or object()
    for number in range(count):
        watch.look_at([picture], [sound([number])], [face(number)])
    watch.finish()


def test_a_picture_that_ignores_its_sound_is_an_error():
    assert code_of(mouths, 30) == "output_frozen"


def test_faces_of_another_batch_size_do_not_count_as_movement():
    watch, picture = MouthWatch(), object()
    for number in range(20):
        watch.look_at([picture] * 2, [np.array([number, 0]), np.array([number, 1])], [noise(1)] * 2)
    watch.look_at([picture], [np.array([20, 0])], [noise(2)])

    assert code_of(watch.finish) == "output_frozen"


def test_mouths_may_rest_in_silence_in_short_runs_and_for_a_while():
    mouths(30, sound=lambda _: np.array([0]))
    mouths(5)
    mouths(30, face=lambda number: noise(number // 29))
