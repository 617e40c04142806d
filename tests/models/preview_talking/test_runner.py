"""Whole runs of preview-talking: who speaks when, in the size and length of MultiTalk."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.multitalk.request.input import Input
from models.preview_talking.runner import LABEL, Runner
from tests.models.multitalk.voice_files import tone, write_voice
from tests.models.preview_lipsync.preview_media import FACES
from tests.models.wan.reports import ReportRecorder


@pytest.fixture(scope="module")
def runner():
    return Runner()


@pytest.fixture(scope="module")
def one_face():
    return cv2.imread(str(FACES["smiling"].path))


@pytest.fixture(scope="module")
def two_faces(one_face):
    return np.hstack([one_face, one_face[:, ::-1]])


@pytest.fixture
def run(runner, tmp_path):
    def run(picture, seconds, *, recorder=None, **values):
        cv2.imwrite(str(tmp_path / "picture.png"), picture)
        inputs = {"image": tmp_path / "picture.png"}
        for field, length in zip(("audio", "audio_2"), seconds, strict=False):
            inputs[field] = write_voice(tmp_path / f"{field}.wav", tone(length))
        given = dict.fromkeys(inputs, "")
        params = Input(**given, seed=1, **values)
        return runner.generate(params, inputs, tmp_path / "out.mp4", recorder or ReportRecorder())

    return run


def frames_of(result):
    with av.open(str(result.path)) as container:
        return np.stack(
            [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        ).astype(np.int16)


def moving(frames, columns):
    """In which frames some pixels of these columns differ from the last frame of the video."""
    changed = np.abs(frames - frames[-1])[:, :, columns]
    return (changed > 30).sum(axis=(1, 2)) > 40


def test_one_person_speaks_as_long_as_the_voice(run, one_face):
    result = run(one_face, [1.0])

    assert (result.frames, result.fps, result.has_audio) == (25, Fraction(25), True)
    assert (result.width % 64, result.height % 64) == (0, 0)
    assert result.notes["label"] == LABEL
    assert result.notes["faces_found"] == 1
    assert moving(frames_of(result), slice(None)).sum() > 5


def test_two_people_speak_one_after_another(run, two_faces):
    result = run(two_faces, [1.0, 1.0], audio_mode="one_after_another", people="faces")

    frames = frames_of(result)
    left, right = slice(0, result.width // 2), slice(result.width // 2, None)
    assert (result.frames, result.notes["faces_found"]) == (50, 2)
    assert moving(frames[:25], left).any()
    assert not moving(frames[:25], right).any()
    assert moving(frames[26:], right).any()
    assert not moving(frames[26:], left).any()


def test_phases_and_steps_are_those_of_the_model(run, one_face):
    recorder = ReportRecorder()

    run(one_face, [4.0], steps=10, recorder=recorder)

    assert recorder.of("generating")[-1] == (20, 20)
    assert recorder.notes["clips"] == 2
    assert recorder.parts == [(1, 2), (2, 2)]
    assert recorder.previews


def test_a_picture_without_a_face_is_no_error_as_with_the_model(run):
    result = run(np.full((256, 256, 3), 90, np.uint8), [0.5])

    assert result.notes["faces_found"] == 0


@pytest.mark.parametrize(
    ("seconds", "values", "code"),
    [
        ([0.05], {}, "audio_too_short"),
        ([0.5, 0.5], {"people": "faces"}, "no_face"),
        (
            [0.5],
            {"people": [{"top": 0, "bottom": 9000, "left": 0, "right": 64}]},
            "region_outside",
        ),
    ],
)
def test_what_the_model_refuses_is_refused(run, one_face, seconds, values, code):
    with pytest.raises(InputRejected) as refused:
        run(one_face, seconds, **values)

    assert refused.value.code == code


def test_text_is_refused_for_there_is_no_speech_synthesis(runner, tmp_path, one_face):
    cv2.imwrite(str(tmp_path / "picture.png"), one_face)
    params = Input(image="", text="Hello", seed=1)

    with pytest.raises(InputRejected) as refused:
        runner.generate(
            params, {"image": tmp_path / "picture.png"}, tmp_path / "out.mp4", ReportRecorder()
        )

    assert (refused.value.code, refused.value.field) == ("speech_unavailable", "text")


def test_it_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, models.preview_talking.runner; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
