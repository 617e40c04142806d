"""Texts become videos over HTTP, spoken by the package `kokoro` on files of random weights.

These run only where the extra `speech` is installed: `make speech-test`.
"""

from __future__ import annotations

import json

import av
import cv2
import pytest

pytest.importorskip("kokoro", reason="needs the extra `speech`: see docs/speech.md")

from kinomill import Client
from tests.acceptance.manifests import manifest, weight_files
from tests.folders import temporary_folder
from tests.models.kokoro.published import random_parts, write_published
from tests.models.latentsync.tiny import tiny_weights as tiny_latentsync
from tests.models.lipsync.harness import portrait
from tests.models.multitalk.tiny import tiny_talking
from tests.models.musetalk.tiny import tiny_weights as tiny_musetalk
from tests.running_stack import running_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # spaCy and phonemizer use what is deprecated
]

VOICES = ("af_heart", "ef_dora")
MODELS = {
    "multitalk": (tiny_talking, "kokoro"),
    "latentsync-1.5": (tiny_latentsync, "speech"),
    "musetalk": (tiny_musetalk, "speech"),
}
"""How the tiny weights of each model are made, and its folder of speech."""
CARDS = [
    f"tests.acceptance.speaking_cards:TINY_{name}"
    for name in ("MULTITALK", "LATENTSYNC", "MUSETALK")
]


@pytest.fixture(scope="module")
def client():
    """A client of a Kinomill that serves all of them, one in memory at a time."""
    with temporary_folder("speech") as folder, temporary_folder("speech-home") as home:
        (folder / "kokoro").mkdir()
        kokoro = write_published(folder / "kokoro", random_parts(folder / "kokoro"), *VOICES)
        for name, (make, speech) in MODELS.items():
            files = weight_files(make(folder / name))
            files |= {f"{speech}/{path}": place for path, place in weight_files(kokoro).items()}
            (folder / f"{name}.toml").write_text(manifest(name, files))
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_ACCEPT_LICENSES": json.dumps(["latentsync-1.5"]),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "SPEAKING_MANIFESTS": str(folder),
        }
        with running_stack(home, variables) as stack, Client(stack.url) as it:
            yield it


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), portrait("portrait"))
    return path


def seconds_of(path, kind):
    with av.open(str(path)) as container:
        stream = next(one for one in container.streams if one.type == kind)
        return float(
            sum(packet.duration or 0 for packet in container.demux(stream)) * stream.time_base
        )


OPTIONS = {
    "multitalk": {"steps": 2, "seed": 1},
    "latentsync-1.5": {"guidance": 1.0, "seed": 1, "fps": 6, "rest_in_silence": False},
    "musetalk": {"fps": 6, "rest_in_silence": False},
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("voice", VOICES)
def test_a_text_becomes_a_video(client, face, tmp_path, model, voice):
    job = client.submit(model, {"text": "Hi.", "voice": voice, **OPTIONS[model]}, image=face)
    job = client.wait(job.id, timeout=300)
    video = client.download(job, tmp_path / "out.mp4")

    notes = job.result.notes.get("text", job.result.notes)
    assert (notes["voice"], notes["speech"]) == (voice, "synthesized from text by Kokoro-82M")
    assert [file.name for file in job.result.files] == ["voice.wav"]
    spoken = notes["voice_seconds"]
    assert spoken > 0
    assert seconds_of(video, "video") == pytest.approx(spoken, abs=0.2)
    assert seconds_of(video, "audio") == pytest.approx(spoken, abs=0.1)


def test_two_people_speak_two_texts(client, face):
    texts = {"text": "Hi.", "text_2": "Hola.", "voice_2": "ef_dora", "people": "halves"}

    job = client.submit("multitalk", {**texts, **OPTIONS["multitalk"]}, image=face)
    job = client.wait(job.id, timeout=300)

    notes = job.result.notes
    assert (notes["text"]["voice"], notes["text_2"]["voice"]) == VOICES
    assert sorted(file.name for file in job.result.files) == ["voice.wav", "voice_2.wav"]
