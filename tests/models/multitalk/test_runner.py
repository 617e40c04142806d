"""Whole runs of the talking pictures, with tiny models of half a megabyte."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import InputRejected, OutputInvalid, WeightsInvalid
from models.kokoro.tts import SpeechSynthesis
from models.multitalk.sampling.denoise import ClipDenoiser
from models.resuming import KEPT
from models.wan.settings import WanSettings
from tests.models.kokoro.small import small_synthesizer, write_voices
from tests.models.multitalk.running import generate, request_for, runner_of
from tests.models.multitalk.tiny import audio_state, tiny_talking
from tests.models.multitalk.voice_files import tone
from tests.models.wan.reports import ReportRecorder, StopRun
from tests.models.wan.running import comment_of, frames_of


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_talking(tmp_path_factory.mktemp("talking"), loras=["8step"])


@pytest.fixture(scope="module")
def runner(weights):
    return runner_of(weights)


def test_a_picture_speaks_exactly_as_long_as_its_voice(runner, tmp_path):
    clip = generate(runner, tmp_path, request_for(), voice=tone(0.7))

    assert (clip.frames, clip.fps, clip.has_audio) == (17, Fraction(25), True)
    assert frames_of(clip.path).shape == (17, 64, 64, 3)
    assert clip.notes["clips"] == 3
    assert "multitalk" in comment_of(clip.path)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(runner, tmp_path):
    first = generate(runner, tmp_path / "1", request_for(), voice=tone(0.5))
    again = generate(runner, tmp_path / "2", request_for(), voice=tone(0.5))
    other = generate(runner, tmp_path / "3", request_for(seed=8), voice=tone(0.5))

    assert first.path.read_bytes() == again.path.read_bytes()
    assert not np.array_equal(frames_of(first.path), frames_of(other.path))


def latents_of(runner, folder, monkeypatch, **options):
    """The latents of each clip of a run."""
    found = []
    original = ClipDenoiser.latents

    def keep(self, evaluations, clip):
        found.append(original(self, evaluations, clip))
        return found[-1]

    monkeypatch.setattr(ClipDenoiser, "latents", keep)
    values = {key: options.pop(key) for key in list(options) if not key.startswith("voice")}
    generate(runner, folder, request_for(**values), **options)
    monkeypatch.undo()
    return torch.cat(found, dim=2)


@pytest.fixture
def latents(runner, tmp_path, monkeypatch):
    numbers = iter(range(9))

    def compute(**options):
        return latents_of(runner, tmp_path / str(next(numbers)), monkeypatch, **options)

    return compute


def test_another_voice_gives_other_latents(latents):
    assert not torch.equal(latents(voice=tone(0.3)), latents(voice=tone(0.3, hertz=500)))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_with_audio_guidance_0_the_voice_has_no_effect(latents, guidance):
    options = {"guidance": guidance, "audio_guidance": 0.0}

    first = latents(voice=tone(0.3), **options)
    other = latents(voice=tone(0.3, hertz=500), **options)

    assert torch.equal(first, other)


@pytest.mark.parametrize(
    "options", [{"guidance": 1.0}, {"audio_guidance": 6.0}, {"adaptive_guidance": True}]
)
def test_guidance_changes_the_latents(latents, options):
    assert not torch.equal(latents(voice=tone(0.3)), latents(voice=tone(0.3), **options))


def test_exchanged_voices_give_other_latents(latents):
    one, two = tone(0.3), tone(0.3, hertz=500)

    first = latents(voice=one, voice_2=two, audio_2="", people="halves")
    other = latents(voice=two, voice_2=one, audio_2="", people="halves")

    assert not torch.equal(first, other)


def test_one_rectangle_gives_other_latents_than_the_whole_picture(latents):
    region = {"top": 0, "bottom": 64, "left": 0, "right": 48}

    assert not torch.equal(latents(voice=tone(0.3)), latents(voice=tone(0.3), people=[region]))


@pytest.mark.parametrize(("mode", "frames"), [("together", 10), ("one_after_another", 17)])
def test_two_people_speak(runner, tmp_path, mode, frames):
    params = request_for(audio_2="", people="halves", audio_mode=mode)

    clip = generate(runner, tmp_path, params, voice=tone(0.4), voice_2=tone(0.3, 400))

    assert (clip.frames, clip.has_audio, clip.notes["people_from"]) == (frames, True, "halves")


def test_fast_uses_the_lora_of_the_worker_and_its_steps(runner, tmp_path):
    clip = generate(runner, tmp_path, request_for(quality="fast", steps=None), voice=tone(0.2))

    expected = {"steps": 8, "guidance": 1.0, "audio_guidance": 2.0, "shift": 2.0}
    assert expected.items() <= clip.notes.items()
    assert clip.notes["loras"] == ["8step at 1"]


def test_the_model_stays_as_it_was_after_a_lora(runner, tmp_path):
    before = generate(runner, tmp_path / "1", request_for(), voice=tone(0.2)).path.read_bytes()
    generate(runner, tmp_path / "2", request_for(quality="fast"), voice=tone(0.2))
    after = generate(runner, tmp_path / "3", request_for(), voice=tone(0.2)).path.read_bytes()

    assert before == after


def test_steps_of_all_clips_count_as_one(runner, tmp_path):
    recorder = ReportRecorder()

    generate(runner, tmp_path, request_for(), recorder, voice=tone(0.7))

    steps = [done for done, _ in recorder.of("generating")]
    assert steps == sorted(steps)
    assert recorder.of("generating")[-1] == (6, 6)
    assert recorder.parts == [(1, 3), (2, 3), (3, 3)]
    assert len(recorder.previews) == 6
    assert recorder.reports[-1] == ("encoding", 17, 17)


def test_a_stopped_run_leaves_no_file_and_the_model_warm(runner, tmp_path):
    recorder = ReportRecorder(stop_at=("generating", 3))
    with pytest.raises(StopRun):
        generate(runner, tmp_path / "1", request_for(), recorder, voice=tone(0.7))

    assert not (tmp_path / "1" / "out.mp4").exists()
    assert generate(runner, tmp_path / "2", request_for(), voice=tone(0.2)).frames == 5


def test_a_voice_above_the_limit_is_cut_and_the_job_says_so(runner, tmp_path):
    clip = generate(runner, tmp_path, request_for(max_seconds=0.4), voice=tone(0.9))

    assert clip.frames == 10
    assert clip.notes["cut_at_seconds"] == 0.4


@pytest.mark.parametrize("form", ["gguf-q5_0", "fp8"])
def test_the_base_may_be_quantized_with_a_lora_on_top(form, tmp_path):
    runner = runner_of(tiny_talking(tmp_path / "weights", form, loras=["4step"]))
    runner.warm_up()

    clip = generate(runner, tmp_path / "1", request_for(quality="fast"), voice=tone(0.2))

    assert clip.notes["weights"]["experts"].lower().startswith(form.partition("-")[0])
    assert clip.notes["loras"] == ["4step at 1"]


def test_infinitetalk_speaks_from_a_picture_and_from_a_clip(weights, tmp_path):
    runner = runner_of(weights, "infinitetalk")
    runner.warm_up()
    still = generate(runner, tmp_path / "1", request_for("infinitetalk"), voice=tone(0.5))

    dubbed = runner.generate(
        request_for("infinitetalk", video=""),
        {"video": still.path, "audio": tmp_path / "1" / "audio.wav"},
        tmp_path / "dubbed.mp4",
        ReportRecorder(),
    )

    assert still.frames == dubbed.frames == 12
    assert not np.array_equal(frames_of(still.path), frames_of(dubbed.path))


@pytest.mark.parametrize(
    ("values", "files", "code", "field"),
    [
        ({}, {"voice": tone(0.05)}, "audio_too_short", "audio"),
        ({}, {"voice": tone(0.5, level=0.0001)}, "audio_silent", "audio"),
        (
            {"audio_2": ""},
            {"voice": tone(0.2), "voice_2": tone(0.2, level=0)},
            "audio_silent",
            "audio_2",
        ),
        (
            {"audio_2": "", "people": "faces"},
            {"voice": tone(0.2), "voice_2": tone(0.2)},
            "no_face",
            "people",
        ),
        (
            {"people": [{"top": 0, "bottom": 64, "left": 0, "right": 97}]},
            {"voice": tone(0.2)},
            "region_outside",
            "people",
        ),
        ({"prompt": "#" * 600}, {"voice": tone(0.2)}, "prompt_too_long", "prompt"),
        (
            {"loras": [{"id": "none"}]},
            {"voice": tone(0.2)},
            "unknown_lora",
            "loras",
        ),
        ({"audio": None, "text": "Hello."}, {}, "speech_unavailable", "text"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(
    runner, tmp_path, values, files, code, field
):
    with pytest.raises(InputRejected) as refused:
        generate(runner, tmp_path, request_for(**values), **files)

    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.1.norm_x.bias"), "missing: blocks.1.norm_x.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "unknown: extra"),
        (lambda state: state.pop("audio_proj.proj1.bias"), "no audio projection"),
    ],
)
def test_other_audio_layers_are_refused_by_name(tmp_path, change, message):
    folder = tiny_talking(tmp_path / "weights")
    state = audio_state()
    change(state)
    save_file(state, folder / "audio" / "audio.safetensors")

    with pytest.raises(WeightsInvalid, match=message):
        runner_of(folder)


def test_half_precision_layers_and_old_names_of_the_speech_encoder_load(tmp_path):
    folder = tiny_talking(tmp_path / "weights")
    state = {
        name: tensor.bfloat16() if ".norm_x." in name else tensor.half()
        for name, tensor in audio_state().items()
    }
    save_file(state, folder / "audio" / "audio.safetensors")
    path = folder / "wav2vec2" / "pytorch_model.bin"
    conv = "encoder.pos_conv_embed.conv."
    old = {
        f"wav2vec2.{name}".replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in torch.load(path, weights_only=True).items()
    }
    torch.save({**old, "quantizer.codevectors": torch.zeros(2)}, path)

    runner = runner_of(folder)

    assert f"wav2vec2.{conv}weight_g" in old
    assert generate(runner, tmp_path / "1", request_for(), voice=tone(0.2)).frames == 5


def small_video(weights, folder, offload):
    runner = runner_of(weights, settings=WanSettings(offload=offload))
    clip = generate(runner, folder, request_for(steps=1), voice=tone(0.2))
    return frames_of(clip.path), clip.notes


def test_streaming_blocks_through_a_device_changes_nothing(weights, tmp_path):
    resident, _ = small_video(weights, tmp_path / "1", "all_resident")
    streamed, notes = small_video(weights, tmp_path / "2", "group_offload")

    assert notes["offload"] == "group_offload"
    assert np.array_equal(resident, streamed)


def test_blocks_may_be_stored_in_fp8(weights, tmp_path):
    frames, notes = small_video(weights, tmp_path / "1", "fp8_offload")

    assert notes["offload"] == "fp8_offload"
    assert frames.shape == (5, 64, 64, 3)


@pytest.mark.parametrize(
    ("value", "code"), [(float("nan"), "output_not_finite"), (0.0, "output_blank")]
)
def test_a_denoiser_that_computes_nothing_fails_the_warm_up_and_the_job(tmp_path, value, code):
    runner = runner_of(tiny_talking(tmp_path / "weights"))
    last = runner._pipe.transformer.proj_out
    last.weight.data.fill_(value)
    last.bias.data.fill_(value)

    for run in (
        runner.warm_up,
        lambda: generate(runner, tmp_path / "1", request_for(), voice=tone(0.2)),
    ):
        with pytest.raises(OutputInvalid) as failed:
            run()
        assert failed.value.code == code


def test_two_people_speak_two_texts(weights, tmp_path):
    runner = runner_of(weights)
    files = write_voices(tmp_path / "voices", "af_heart", "ef_dora")
    runner._speech = SpeechSynthesis(files, small_synthesizer)
    params = request_for(
        audio=None, text="Hello there.", text_2="And hello.", voice_2="ef_dora", people="halves"
    )

    clip = generate(runner, tmp_path / "1", params)

    assert clip.has_audio
    assert set(clip.files) == {"voice.wav", "voice_2.wav"}
    assert all(path.parent == clip.path.parent for path in clip.files.values())
    assert clip.notes["text_2"]["voice"] == "ef_dora"
    assert comment_of(clip.path).count("synthesized from text") == 2


def test_an_unknown_voice_is_blamed_on_its_field(weights, tmp_path):
    runner = runner_of(weights)
    files = write_voices(tmp_path / "voices", "af_heart")
    runner._speech = SpeechSynthesis(files, small_synthesizer)
    params = request_for(text_2="Hello.", voice_2="am_adam", people="halves")

    with pytest.raises(InputRejected) as refused:
        generate(runner, tmp_path / "1", params, voice=tone(0.2))

    assert refused.value.field == "voice_2"


@pytest.mark.parametrize("name", ["multitalk", "infinitetalk"])
def test_an_attempt_goes_on_from_the_last_finished_clip_of_a_lost_one(
    tmp_path, tmp_path_factory, monkeypatch, name
):
    """Two of three clips were finished, and the third was begun; the file is the same."""
    runner = runner_of(tiny_talking(tmp_path_factory.mktemp("talking")), name)
    whole = generate(runner, tmp_path / "whole", request_for(name), voice=tone(0.7))
    denoised = []
    original = ClipDenoiser.latents
    monkeypatch.setattr(
        ClipDenoiser,
        "latents",
        lambda self, evaluations, clip: denoised.append(clip) or original(self, evaluations, clip),
    )
    folders = [tmp_path / "lost", tmp_path / "next"]
    for folder in folders:
        folder.mkdir()
        (folder / KEPT).symlink_to(tmp_path / "job")

    with pytest.raises(StopRun):
        generate(
            runner,
            folders[0],
            request_for(name),
            ReportRecorder(("generating", 5)),
            voice=tone(0.7),
        )
    recorder = ReportRecorder()
    resumed = generate(runner, folders[1], request_for(name), recorder, voice=tone(0.7))

    assert denoised == [0, 1, 2, 2]
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert resumed.notes["parts_of_a_lost_attempt"] == 2
    assert "parts_of_a_lost_attempt" not in whole.notes
    assert recorder.of("generating")[-1] == (6, 6)
