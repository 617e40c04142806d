"""Whole runs of a tiny LatentSync: a face, a voice, the MP4 and its notes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from models.errors import OutputInvalid, WeightsInvalid
from models.latentsync.input import Input
from models.latentsync.loading.version import V1_5
from models.latentsync.networks import LatentSync
from models.latentsync.runner import Runner
from models.resuming import KEPT
from tests.models.latentsync.tiny import SMALL
from tests.models.lipsync.harness import film, nothing, portrait, voice
from tests.models.video import media

FACE = portrait("portrait")
WALL = np.full((240, 200, 3), (90, 40, 30), np.uint8)
STEPS = 2
"""Fewer than a caller may ask for, so that a run takes a second."""


@pytest.fixture
def generate(runner, tmp_path):
    def run(seconds=0.5, *, report=nothing, audio=None, video=None, runner=runner, **options):
        photo = tmp_path / "face.png"
        cv2.imwrite(str(photo), FACE)
        inputs = {"image": photo} if video is None else {"video": video}
        inputs["audio"] = audio or voice(tmp_path / "voice.wav", seconds)
        usual = {"guidance": 1, "seed": 1, "rest_in_silence": False}
        if video is None:
            usual["fps"] = 8
        wanted = {**dict.fromkeys(inputs, "file_1"), **usual, **options}
        wanted["guidance"] = float(wanted["guidance"])
        params = Input.model_validate(wanted).model_copy(update={"steps": STEPS})
        return runner.generate(params, inputs, tmp_path / "out.mp4", report)

    return run


def frames(result):
    return [frame for _, frame in film(result.path)]


def changes(found, expected):
    """Whether the lower face of each frame differs from the source."""
    return [
        np.abs(frame.astype(int) - source).mean(axis=2)[100:150, 70:140].mean() > 15
        for frame, source in zip(found, expected, strict=True)
    ]


def test_a_photo_is_animated_and_the_notes_say_how(generate, tiny):
    result = generate()

    whole = (tiny / "unet/latentsync_unet.pt").read_bytes()
    notes = result.notes
    assert (result.frames, len(frames(result)), result.has_audio) == (4, 4, True)
    assert changes(frames(result), [FACE] * 4) == [True] * 4
    assert notes["weights_sha256"] == hashlib.sha256(whole).hexdigest()
    assert (notes["runs_on"], notes["seed"]) == ("cpu float32", 1)
    assert (notes["frames_with_face"], notes["fps_out"]) == (4, "8")
    assert notes["face_enlargement"] > 0


def test_only_the_lower_face_changes(generate):
    found = frames(generate())[1]

    change = np.abs(found.astype(int) - FACE).mean(axis=2)
    assert change[:80].mean() < 4
    assert change[170:].mean() < 4


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(generate):
    first, again, other = (generate(seed=seed).path.read_bytes() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_another_voice_moves_the_lips_otherwise(generate, tmp_path):
    first = frames(generate(audio=voice(tmp_path / "a.wav", 0.5, [0.1])))
    other = frames(generate(audio=voice(tmp_path / "b.wav", 0.5, [0.3])))

    assert not np.array_equal(first, other)


def test_guidance_changes_the_result(generate):
    assert not np.array_equal(frames(generate()), frames(generate(guidance=2)))


def test_cached_features_give_other_and_finite_faces(generate):
    whole, cached = frames(generate()), frames(generate(cache_interval=2))

    assert not np.array_equal(whole, cached)
    assert changes(cached, [FACE] * 4) == [True] * 4


def test_a_run_by_the_authors_rules_pastes_the_whole_rectangle(generate):
    result = generate(upstream=True, rest_in_silence=True)

    assert changes(frames(result), [FACE] * 4) == [True] * 4


@pytest.mark.parametrize(
    "fps", [Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60000, 1001)]
)
def test_a_clip_keeps_its_rate_and_the_whole_voice_is_covered(generate, tmp_path, fps):
    clip = media.clip(tmp_path / "clip.mp4", [FACE] * 20, fps=fps)

    result = generate(0.9, video=clip)

    assert result.fps == fps
    assert result.frames == -(-9 * fps // 10)
    assert abs(result.duration_seconds - 0.9) < 1.5 / fps
    assert all(changes(frames(result), [FACE] * result.frames))


def test_frames_without_a_face_pass_through(generate, tmp_path):
    pictures = [*[FACE] * 12, *[WALL] * 16, *[FACE] * 12]
    clip = media.clip(tmp_path / "clip.mp4", pictures)

    result = generate(1.6, video=clip)

    found = frames(result)
    moved = changes(found, pictures)
    assert result.notes["frames_without_face"] == 16
    assert moved[:8] == moved[-8:] == [True] * 8
    assert moved[12:28] == [False] * 16
    assert max(np.abs(f.astype(int) - WALL).mean() for f in found[12:28]) < 6


def test_each_scene_is_generated_for_itself(generate, tmp_path, monkeypatch):
    mirrored = np.ascontiguousarray(FACE[:, ::-1])
    brighter = cv2.convertScaleAbs(mirrored, alpha=0.5)
    clip = media.clip(tmp_path / "clip.mp4", [*[FACE] * 7, *[brighter] * 9])
    sizes = []
    denoise = LatentSync.denoise
    monkeypatch.setattr(
        LatentSync,
        "denoise",
        lambda self, faces, *rest: sizes.append(len(faces)) or denoise(self, faces, *rest),
    )

    result = generate(0.64, video=clip)

    assert result.notes["scene_cuts"] == 1
    assert sizes == [7, 9]


@pytest.mark.parametrize(("choice", "left"), [("largest", True), (1, False)])
def test_one_of_two_people_speaks(generate, tmp_path, choice, left):
    pair = np.full((240, 400, 3), 128, np.uint8)
    pair[:, :200] = FACE
    pair[60:204, 240:360] = cv2.resize(FACE, (120, 144))
    clip = media.clip(tmp_path / "clip.mp4", [pair] * 5)

    found = frames(generate(0.2, video=clip, face=choice))

    change = np.abs(np.array(found).astype(int) - pair).mean(axis=(0, 3)) > 60
    assert (change[:, :200].sum() > 100, change[:, 200:].sum() > 100) == (left, not left)


def test_a_voice_of_a_few_milliseconds_is_enough(generate):
    assert generate(0.012, fps=25).frames == 1


def test_progress_counts_the_steps_and_numbers_of_chunks(generate):
    seen, parts = [], []

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if stage == "generating":
            seen.append((done, total))
            if part not in (None, *parts):
                parts.append(part)

    generate(3, fps=10, report=report)

    assert {total for _, total in seen} == {30 * STEPS}
    assert seen[:2] == [(12, 60), (24, 60)]
    assert seen == sorted(seen)
    assert seen[-1] == (60, 60)
    assert parts == [(1, 3), (2, 3), (3, 3)]


def test_a_cut_adds_a_chunk_that_was_not_expected(generate, tmp_path):
    mirrored = cv2.convertScaleAbs(np.ascontiguousarray(FACE[:, ::-1]), alpha=0.5)
    clip = media.clip(tmp_path / "clip.mp4", [*[FACE] * 7, *[mirrored] * 9])
    parts = []

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if part not in (None, *parts):
            parts.append(part)

    generate(0.64, video=clip, report=report)

    assert parts == [(1, 1), (2, 2)]


class Stop(Exception):
    """What ends a run."""


def test_a_cancel_ends_a_run_after_the_current_step(generate, tmp_path):
    seen = []

    def report(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if stage == "generating":
            seen.append(done)
            raise Stop

    with pytest.raises(Stop):
        generate(report=report)

    assert len(seen) == 1
    assert not (tmp_path / "out.mp4").exists()


def test_an_attempt_goes_on_from_the_last_finished_chunk_of_a_lost_one(
    generate, tmp_path, monkeypatch
):
    """Two of three chunks were finished, and the third was begun; the file is the same."""
    whole = generate(3, fps=12).path.read_bytes()
    (tmp_path / KEPT).symlink_to(tmp_path / "job")
    denoised = []
    original = LatentSync.denoise
    monkeypatch.setattr(
        LatentSync,
        "denoise",
        lambda self, *args: denoised.append(len(args[0])) or original(self, *args),
    )

    def stop(stage, done=0, total=None, *, preview=None, notes=None, part=None):
        if stage == "generating" and len(denoised) == 3:
            raise Stop

    with pytest.raises(Stop):
        generate(3, fps=12, report=stop)
    again = generate(3, fps=12)
    resumed = again.path.read_bytes()
    other = generate(3, fps=12, seed=2)

    assert resumed == whole
    assert denoised == [16] * 7
    assert again.notes["parts_of_a_lost_attempt"] == 2
    assert "parts_of_a_lost_attempt" not in other.notes


def test_the_networks_warm_up(runner):
    runner.warm_up()


def test_a_file_of_the_other_version_is_refused(tiny, monkeypatch):
    digest = hashlib.sha256((tiny / "unet/latentsync_unet.pt").read_bytes()).hexdigest()
    other = replace(V1_5, name="1.6", size=512, sha256=digest)
    monkeypatch.setattr("models.latentsync.loading.version.PUBLISHED", (V1_5, other))

    with pytest.raises(WeightsInvalid, match=r"LatentSync 1\.6 for faces of 512 pixels"):
        LatentSync(tiny, SMALL)


def test_a_folder_without_a_unet_is_refused(tmp_path):
    with pytest.raises(WeightsInvalid, match=r"has none of latentsync_unet\.safetensors"):
        LatentSync(tmp_path, SMALL)


FACTOR = 2.0**16
"""Beyond the range of float16, which ends at 65,504."""


def half(networks, first, second):
    """The networks in float16, where the values between two layers of the VAE pass its range.

    In float32 the VAE computes what it did before: one layer is multiplied, the next one divided.
    """
    networks._dtype = torch.float16
    networks.unet.half(), networks.vae.half()
    with torch.no_grad():
        for parameter in networks.vae.get_submodule(first).parameters():
            parameter.mul_(FACTOR)
            assert parameter.isfinite().all()
        networks.vae.get_submodule(second).weight.div_(FACTOR)
    return networks


def small_networks(tiny):
    return LatentSync(tiny, SMALL)


FACE_PIXELS = torch.linspace(-1, 1, 3 * 128 * 128).reshape(1, 3, 128, 128)


def test_a_face_whose_encoding_is_not_finite_is_encoded_again_in_float32(tiny):
    networks = half(small_networks(tiny), "encoder.conv_out", "quant_conv")

    found = networks.encode(FACE_PIXELS)

    assert networks.runs_on == "cpu float32"
    torch.testing.assert_close(
        found, small_networks(tiny).encode(FACE_PIXELS), atol=0.05, rtol=0.05
    )


def test_a_face_whose_decoding_is_not_finite_is_decoded_again_in_float32(tiny):
    networks = half(small_networks(tiny), "post_quant_conv", "decoder.conv_in")
    latents = networks.noise(1)[:, :, 0]

    found = networks.decode(latents)

    assert networks.runs_on == "cpu float32"
    torch.testing.assert_close(found, small_networks(tiny).decode(latents), atol=0.05, rtol=0.05)


def test_what_is_not_finite_in_float32_either_is_an_error(tiny):
    networks = small_networks(tiny)
    networks.vae.quant_conv.bias.data.fill_(torch.nan)

    with pytest.raises(OutputInvalid, match="the VAE computed NaN"):
        networks.encode(FACE_PIXELS)


def test_a_result_states_the_format_that_its_run_ended_with(generate, tiny):
    runner = Runner(tiny, SMALL)
    half(runner._networks, "encoder.conv_out", "quant_conv")

    assert generate(runner=runner).notes["runs_on"] == "cpu float32"
