"""A text is synthesized to a WAV file, or the error says why not."""

from __future__ import annotations

import builtins
import subprocess
import sys
import wave

import numpy as np
import pytest
from structlog.testing import capture_logs

from models.errors import InputRejected, WeightsInvalid
from models.kokoro import wav
from models.kokoro.tts import SpeechSynthesis
from models.spec import Stage
from tests.models.kokoro.small import small_synthesizer

TEXT = "x" * 150 + ". " + "y" * 150 + "."


@pytest.fixture
def speech(files):
    return SpeechSynthesis(files, small_synthesizer)


def test_a_text_is_synthesized_to_a_wav_with_progress_reports(speech, tmp_path):
    steps = []

    voice = speech.synthesize(TEXT, "af_heart", tmp_path, lambda *step: steps.append(step))

    with wave.open(str(tmp_path / "voice.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 24_000, 302 * 600)
    assert voice.path == tmp_path / "voice.wav"
    assert steps == [(Stage.PREPROCESSING, done, 2) for done in range(3)]
    assert voice.notes == {
        "speech": "synthesized from text by Kokoro-82M",
        "voice": "af_heart",
        "voice_seconds": 7.55,
        "pronunciation": "spelling",
    }


def test_a_cancel_stops_it_between_two_chunks(speech, tmp_path):
    class Canceled(Exception):
        pass

    def report(stage, done, total):
        if done == 1:
            raise Canceled

    with pytest.raises(Canceled):
        speech.synthesize(TEXT, "af_heart", tmp_path, report)


def test_metadata_says_that_the_voice_is_synthesized(speech, tmp_path):
    voice = speech.synthesize("Hello.", "ef_dora", tmp_path, lambda *_: None)

    metadata = voice.add_to_metadata({"comment": "Made by hand.", "title": "A"})

    assert metadata == {
        "comment": "Made by hand. The voice was synthesized from text by Kokoro-82M (ef_dora).",
        "title": "A",
    }


def test_a_synthesizer_is_loaded_once(files):
    loaded = []

    def load(folder):
        loaded.append(folder)
        return small_synthesizer(folder)

    speech = SpeechSynthesis(files, load)
    speech.warm_up()
    speech.warm_up()

    assert loaded == [files]


@pytest.mark.parametrize("missing", [None, "speech"], ids=["no_folder", "folder_not_there"])
def test_a_profile_without_speech_is_refused_with_a_reason(tmp_path, missing):
    speech = SpeechSynthesis(missing and tmp_path / missing)
    speech.warm_up()

    with pytest.raises(
        InputRejected, match="has no speech synthesis: its weights profile"
    ) as refused:
        speech.synthesize("Hello.", "af_heart", tmp_path, lambda *_: None)

    assert (refused.value.code, refused.value.field) == ("speech_unavailable", "text")
    assert not refused.value.retryable


def test_without_the_extra_it_says_what_to_install(files, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] == "kokoro":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    speech = SpeechSynthesis(files)
    with capture_logs() as logged:
        speech.warm_up()

    with pytest.raises(
        InputRejected, match=r"has no speech synthesis: the extra `speech` is not installed"
    ):
        speech.synthesize("Hello.", "af_heart", tmp_path, lambda *_: None)
    assert [entry["event"] for entry in logged] == [
        "speech weights present but the extra is not installed"
    ]


def test_damaged_weights_fail_the_warm_up(files):
    def load(folder):
        raise WeightsInvalid("damaged")

    with pytest.raises(WeightsInvalid):
        SpeechSynthesis(files, load).warm_up()


def test_a_worker_without_speech_imports_none_of_its_packages():
    script = (
        "import sys, models.kokoro.tts as speech; speech.SpeechSynthesis().warm_up(); "
        "print([name for name in ('kokoro', 'misaki', 'spacy', 'torch') if name in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert shown.stdout.strip() == b"[]"


def test_loud_sound_is_clipped_and_nothing_is_lost(tmp_path):
    seconds = wav.write(tmp_path / "a.wav", [np.float32([0, 0.5]), np.float32([2, -2, -0.25])])

    with wave.open(str(tmp_path / "a.wav")) as file:
        samples = np.frombuffer(file.readframes(9), "<i2")
    assert samples.tolist() == [0, 16384, 32767, -32767, -8192]
    assert seconds == 5 / 24_000
