"""A clip becomes a clip, with its sound, its times and its rotation."""

from __future__ import annotations

import zipfile
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.errors import InputRejected
from models.inspyrenet.clips.input import ClipInput
from models.inspyrenet.clips.runner import Runner
from models.spec import Stage
from models.video import sound
from models.video.probe import probe
from tests.models.inspyrenet import formula
from tests.models.video import media

TIMES = (0, 3, 4, 9, 10)
"""Of frames, in 1/25 s: a variable rate."""


@pytest.fixture(scope="module")
def runner(weights):
    made = Runner(weights)
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A clip as phones make them: turned by 90 degrees, at a variable rate, with sound."""
    path = tmp_path_factory.mktemp("phone") / "phone.mp4"
    pictures = [formula.frame(96, 160, 5005 + number)[..., ::-1] for number in range(len(TIMES))]
    return media.clip(
        path,
        [np.ascontiguousarray(each) for each in pictures],
        times=TIMES,
        time_base=Fraction(1, 25),
        turn=90,
        sound=(48_000, media.tone(0.44, 48_000)),
    )


@pytest.fixture
def generate(runner, phone, tmp_path):
    def run(video=phone, **fields):
        params = ClipInput.model_validate({"video": "file_in", **fields})
        out = tmp_path / "video.mp4"
        return runner.generate(params, {"video": video}, out, run.reports.append)

    run.reports = Reports()
    return run


class Reports(list):
    def append(self, stage, done=0, total=None, *, preview=None, notes=None, part=None):
        super().append((stage, done, total, preview and preview(), notes))


def decoded(path, decoder=None):
    """RGBA frames with their begins in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if decoder:
            context = av.CodecContext.create(decoder, "r")
        return [
            (frame.reformat(format="rgba").to_ndarray(), frame.pts * stream.time_base)
            for packet in container.demux(stream)
            for frame in context.decode(packet if packet.size else None)
        ]


def test_a_phone_clip_becomes_webm_with_alpha_sound_and_its_own_times(generate):
    result = generate(temporal="off", normalize="frame")

    frames = decoded(result.path, "libvpx-vp9")
    alphas = [frame[..., 3] for frame, _ in frames]
    assert (result.file_type.content_type, result.path.suffix) == ("video/webm", ".webm")
    assert (result.width, result.height, result.frames, result.has_audio) == (96, 160, 5, True)
    assert [begin for _, begin in frames] == [Fraction(time, 25) for time in TIMES]
    assert frames[0][0].shape == (160, 96, 4)
    assert all(alpha.min() < 40 and alpha.max() > 200 for alpha in alphas)
    assert result.duration_seconds == pytest.approx(0.44, abs=0.01)
    assert float(sound.duration(result.path)) == pytest.approx(0.44, abs=0.03)


def test_prores_keeps_alpha_for_editing(generate):
    result = generate(format="mov", normalize="frame")

    frames = decoded(result.path)
    assert (result.file_type.content_type, result.path.suffix) == ("video/quicktime", ".mov")
    assert len(frames) == 5
    assert all(np.ptp(frame[..., 3]) > 150 for frame, _ in frames)
    assert probe(result.path).audio is not None


def test_an_mp4_lies_on_a_color(generate):
    result = generate(format="mp4", output="color", color="#00ff00", normalize="frame")

    (first, _), *_ = decoded(result.path)
    green = (first[..., 1] > 180) & (first[..., 0] < 90)
    assert (result.file_type.content_type, result.path.suffix) == ("video/mp4", ".mp4")
    assert green.mean() > 0.02


def test_pictures_in_a_zip(generate):
    result = generate(format="png_zip")

    with zipfile.ZipFile(result.path) as file:
        names = file.namelist()
    assert (result.file_type.content_type, result.path.suffix) == ("application/zip", ".zip")
    assert names[:2] == ["frame_000001.png", "frame_000002.png"]
    assert {"frame_000005.png", "frames.ffconcat", "sound.wav"} <= set(names)


@pytest.mark.parametrize("temporal", ["off", "fast", "flow"])
def test_the_result_counts_and_measures(generate, temporal):
    notes = generate(temporal=temporal, normalize="clip", refine_edges=True).notes

    assert notes["runs_on"] == "cpu float32"
    assert notes["mode"] == "fast"
    assert notes["scene_cuts"] == 0
    assert 0 <= notes["empty_frames"] <= 5
    assert notes["flicker_before"] > 0
    assert notes["flicker_after"] <= notes["flicker_before"]


def test_progress_counts_the_frames_and_shows_them(generate):
    generate()

    steps = [(done, total) for stage, done, total, *_ in generate.reports if stage == "generating"]
    assert steps == [(number, 5) for number in range(6)]
    assert generate.reports[0][0] == Stage.PREPROCESSING
    assert generate.reports[2][3][:2] == b"\xff\xd8"


def test_a_canceled_clip_leaves_no_file(runner, phone, tmp_path):
    def report(stage, done=0, total=None, **_):
        if done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "video.mp4"
    with pytest.raises(KeyboardInterrupt):
        runner.generate(ClipInput(video="file_in"), {"video": phone}, out, report)

    assert not list(tmp_path.iterdir())


def test_a_dynamic_size_that_does_not_fit_the_memory_becomes_the_base_size(
    runner, generate, monkeypatch
):
    model = runner._models["fast"]
    exact = model._logits

    def logits(x):
        if x.shape[-2:] != torch.Size(model.base_size):
            raise torch.OutOfMemoryError
        return exact(x)

    monkeypatch.setattr(model, "_logits", logits)

    result = generate(resize="dynamic", mode="fast")

    assert (result.frames, result.notes["input_size"]) == (5, list(model.base_size))


def test_sound_alone_is_refused_for_the_field(generate, tmp_path):
    media.sound(tmp_path / "voice.wav", media.tone(0.2, 16_000), 16_000)

    with pytest.raises(InputRejected) as caught:
        generate(video=tmp_path / "voice.wav")
    assert (caught.value.code, caught.value.field) == ("media_unreadable", "video")


def test_mp4_with_transparency_is_refused():
    with pytest.raises(ValidationError, match="no transparency"):
        ClipInput(video="file_in", format="mp4")


def test_a_clip_is_scaled_down_to_the_longest_side(generate):
    result = generate(max_side=80)

    assert (result.width, result.height) == (48, 80)
