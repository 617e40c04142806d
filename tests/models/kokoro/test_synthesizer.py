"""What can be spoken is spoken, the same each time; what cannot is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.errors import InputRejected, WeightsInvalid
from models.kokoro.synthesizer import LONGEST
from models.kokoro.voices import Voices


def said(speaker, text, voice="af_heart"):
    return list(speaker.speak(speaker.passages(text, voice), voice))


def test_sound_comes_passage_by_passage(speaker):
    text = "x" * 150 + ". " + "y" * 150 + "."

    chunks = said(speaker, text)

    assert [chunk.shape for chunk in chunks] == [(151 * 600,), (151 * 600,)]
    assert all(chunk.dtype == np.float32 for chunk in chunks)


def test_the_same_text_sounds_the_same_and_leaves_chance_to_others(speaker):
    first = said(speaker, "Hello there.")
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    again = said(speaker, "Hello there.")

    assert np.array_equal(first[0], again[0])
    assert torch.rand(1) == expected


def test_the_style_depends_on_the_voice_and_on_the_length(files):
    voices = Voices(files / "voices")
    pack = torch.load(files / "voices/af_heart.pt", weights_only=True)

    assert torch.equal(voices.style("af_heart", 1), pack[0])
    assert torch.equal(voices.style("af_heart", 510), pack[509])
    assert not torch.equal(voices.style("ef_dora", 1), pack[0])
    assert voices.style("af_heart", 7).shape == (1, 256)


@pytest.mark.parametrize("voice", ["af_nobody", "jf_alpha", "../af_heart"])
def test_a_voice_that_cannot_speak_is_answered_with_those_that_can(speaker, voice):
    with pytest.raises(InputRejected, match="it has: af_heart, ef_dora") as refused:
        speaker.passages("Hello.", voice)

    assert (refused.value.code, refused.value.field) == ("invalid_input", "voice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n", "is empty"),
        ("a" * (LONGEST + 1), "has 5,001 characters: send at most 5,000"),
        ("?! ...", "no word that can be spoken"),
        ("漢字", "no word that can be spoken"),
    ],
    ids=["empty", "too_long", "only_stops", "foreign"],
)
def test_a_text_that_cannot_be_spoken_is_refused(speaker, text, words):
    with pytest.raises(InputRejected, match=words) as refused:
        speaker.passages(text, "af_heart")

    assert (refused.value.code, refused.value.field) == ("invalid_input", "text")


def test_a_damaged_voice_is_named(tmp_path):
    (tmp_path / "af_heart.pt").write_bytes(b"no pickle")
    torch.save(torch.zeros(3), tmp_path / "af_small.pt")
    voices = Voices(tmp_path)

    with pytest.raises(WeightsInvalid, match=r"af_heart\.pt is no file of tensors"):
        voices.style("af_heart", 1)
    with pytest.raises(WeightsInvalid, match=r"af_small\.pt is no voice: its shape is \(3,\)"):
        voices.style("af_small", 1)


def test_a_voice_that_would_run_code_is_refused(tmp_path):
    torch.save(print, tmp_path / "af_heart.pt")

    with pytest.raises(WeightsInvalid, match=r"af_heart\.pt is no file of tensors"):
        Voices(tmp_path).style("af_heart", 1)
