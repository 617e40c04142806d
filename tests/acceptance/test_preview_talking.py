"""A talking picture without weights, over HTTP: the phases and notes that the models have."""

from __future__ import annotations

import av
import pytest

from kinomill import InvalidInput

MODEL = "preview-talking"


def test_a_picture_speaks(client, photo, voice, tmp_path):
    job = client.wait(client.submit(MODEL, {"seed": 3}, image=photo, audio=voice).id, timeout=60)

    with av.open(str(client.download(job, tmp_path / "out.mp4"))) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == job.result.frames > 25
    assert job.result.has_audio
    assert job.result.notes["faces_found"] == 1
    assert job.result.notes["clips"] >= 2
    assert {"preprocessing", "generating", "encoding"} <= set(job.timings)


def test_two_voices_alternate(client, photo, voice, tmp_path):
    files = {"image": photo, "audio": voice, "audio_2": voice}
    values = {"seed": 3, "audio_mode": "one_after_another"}
    job = client.wait(client.submit(MODEL, values, **files).id, timeout=60)

    assert job.result.notes["people_from"] == "halves"
    assert job.result.duration_seconds == pytest.approx(2 * 7.1, abs=0.5)


def test_a_third_voice_is_refused(client, photo, voice):
    with pytest.raises(InvalidInput, match="audio_3"):
        client.submit(MODEL, {"seed": 3}, image=photo, audio=voice, audio_3=voice)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"audio_mode": "together", "people": "faces"}, "for two voices"),
        ({"text": "Hello"}, "set either `audio` or `text`"),
        ({"audio_mode": "one_after_another"}, "for two voices"),
    ],
)
def test_what_does_not_fit_one_voice_is_refused(client, photo, voice, values, said):
    with pytest.raises(InvalidInput, match=said):
        client.submit(MODEL, values, image=photo, audio=voice)
