"""A text is synthesized deterministically; what cannot be spoken is refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.errors import InputRejected, WeightsInvalid
from models.kokoro.synthesizer import MAX_CHARACTERS
from models.kokoro.voices import Voices


def synthesized(synthesizer, text, voice="af_heart"):
    return list(synthesizer.synthesize(synthesizer.phoneme_chunks(text, voice), voice))


def test_sound_is_returned_chunk_by_chunk(synthesizer):
    text = "x" * 150 + ". " + "y" * 150 + "."

    chunks = synthesized(synthesizer, text)

    assert [chunk.shape for chunk in chunks] == [(151 * 600,), (151 * 600,)]
    assert all(chunk.dtype == np.float32 for chunk in chunks)


def test_the_same_text_gives_the_same_samples_and_leaves_the_random_state_alone(synthesizer):
    first = synthesized(synthesizer, "Hello there.")
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    again = synthesized(synthesizer, "Hello there.")

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
def test_the_error_for_an_unusable_voice_lists_the_usable_ones(synthesizer, voice):
    with pytest.raises(InputRejected, match="it has: af_heart, ef_dora") as refused:
        synthesizer.phoneme_chunks("Hello.", voice)

    assert (refused.value.code, refused.value.field) == ("invalid_input", "voice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n", "is empty"),
        ("a" * (MAX_CHARACTERS + 1), "has 5,001 characters. Send at most 5,000"),
        ("?! ...", "no word that can be spoken"),
        ("漢字", "no word that can be spoken"),
    ],
    ids=["empty", "too_long", "only_stops", "foreign"],
)
def test_a_text_that_cannot_be_spoken_is_refused(synthesizer, text, words):
    with pytest.raises(InputRejected, match=words) as refused:
        synthesizer.phoneme_chunks(text, "af_heart")

    assert (refused.value.code, refused.value.field) == ("invalid_input", "text")


def test_the_error_for_a_damaged_voice_names_the_file(tmp_path):
    (tmp_path / "af_heart.pt").write_bytes(b"no pickle")
    torch.save(torch.zeros(3), tmp_path / "af_small.pt")
    voices = Voices(tmp_path)

    with pytest.raises(WeightsInvalid, match=r"af_heart\.pt is not a file of tensors"):
        voices.style("af_heart", 1)
    with pytest.raises(WeightsInvalid, match=r"af_small\.pt is not a voice: its shape is \(3,\)"):
        voices.style("af_small", 1)


def test_a_voice_that_would_run_code_is_refused(tmp_path):
    torch.save(print, tmp_path / "af_heart.pt")

    with pytest.raises(WeightsInvalid, match=r"af_heart\.pt is not a file of tensors"):
        Voices(tmp_path).style("af_heart", 1)
