"""Which checkpoint of a weights folder the runner loads."""

from __future__ import annotations

import pytest

from models.errors import WeightsInvalid
from models.wav2lip import runner
from models.wav2lip.card import Input
from models.wav2lip.runner import CHECKPOINTS, Runner


def test_converted_checkpoints_are_preferred_to_published_ones(tmp_path):
    selected = []

    for name in reversed(CHECKPOINTS):
        (tmp_path / name).touch()
        selected.append(runner._checkpoint(tmp_path).name)

    assert selected == [
        "wav2lip.pth",
        "wav2lip_gan.pth",
        "wav2lip.safetensors",
        "wav2lip_gan.safetensors",
    ]


def test_the_error_for_a_folder_without_a_checkpoint_lists_the_known_names(tmp_path):
    with pytest.raises(WeightsInvalid, match=r"wav2lip_gan.safetensors, .*wav2lip.pth"):
        Runner(tmp_path)


@pytest.mark.parametrize(
    ("values", "pads"),
    [
        ({}, (0, 10, 0, 0)),
        ({"pads": {"bottom": 20}}, (0, 20, 0, 0)),
        ({"region": {"top": 0, "bottom": 64, "left": 0, "right": 64}}, (0, 0, 0, 0)),
    ],
)
def test_a_region_is_used_as_given_and_a_detected_face_is_padded(values, pads):
    files = {"image": "file_1", "audio": "file_2"}

    assert runner._pads(Input.model_validate(files | values)) == pads
