"""Talking pictures with tiny models from a fake Hub, over HTTP."""

from __future__ import annotations

import json
import os
import signal

import av
import cv2
import numpy as np
import pytest
from sqlalchemy import select

from jobs.tables import Attempt
from kinomill import Client
from kinomill.errors import InvalidInput, UsageError
from runtime.database import create_database_engine
from tests.acceptance.tiny_hub import publish
from tests.folders import temporary_folder
from tests.models.lipsync.harness import portrait
from tests.models.multitalk.tiny import tiny_talking
from tests.models.multitalk.voice_files import tone, write_voice
from tests.models.wan.running import sample_image
from tests.running_stack import running_stack
from tests.waiting import until
from tests.weights.fake_hub import fake_hub

pytestmark = pytest.mark.slow

TINY_MODELS = {
    "tiny-multitalk": {},
    "tiny-multitalk-gguf": {"form": "gguf-q5_0", "text": "fp8", "loras": ["8step"]},
    "tiny-multitalk-text": {"voices": ["af_heart", "ef_dora"]},
    "tiny-infinitetalk": {"vae": "single"},
}
CARDS = [
    f"tests.acceptance.talking_cards:{name}"
    for name in ("TINY", "TINY_GGUF", "TINY_SPEAKING", "TINY_INFINITE")
]
ONE, TWO = ("image", "audio"), ("image", "audio", "audio_2")
INSIDE = {"top": 0, "bottom": 160, "left": 0, "right": 80}
OUTSIDE = INSIDE | {"bottom": 161}
"""Rectangles in a picture of 160 x 160, and below it."""


@pytest.fixture(scope="module")
def running():
    """A Kinomill that pulls each tiny model on demand."""
    with (
        temporary_folder("talking") as folder,
        temporary_folder("talking-home") as home,
        fake_hub() as hub,
    ):
        for name, options in TINY_MODELS.items():
            publish(hub, folder, name, tiny_talking(folder / name, **options))
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "KINOMILL_HEARTBEAT_INTERVAL": "0.1",
            "HF_ENDPOINT": hub.url,
            "TALKING_MANIFESTS": str(folder),
        }
        with running_stack(home, variables) as stack:
            yield stack


@pytest.fixture
def client(running):
    with Client(running.url) as client:
        yield client


@pytest.fixture
def media(tmp_path):
    """A picture of two unequal halves, and two voices."""
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), sample_image(160, 160))
    return {
        "image": picture,
        "audio": write_voice(tmp_path / "one.wav", tone(0.7)),
        "audio_2": write_voice(tmp_path / "two.wav", tone(0.5, 400)),
    }


def submitted(client, model, media, fields, **params):
    files = {name: media[name] for name in fields}
    return client.submit(model, {"steps": 2, "seed": 3, **params}, **files)


def done(client, model, media, fields=("image", "audio"), **params):
    return client.wait(submitted(client, model, media, fields, **params).id, timeout=120)


def video_of(client, job, folder):
    """Its frames, and the seconds of its sound."""
    path = client.download(job, folder / f"{job.id}.mp4")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    return np.stack(frames), samples / 48_000


def test_a_picture_speaks_over_three_clips_and_a_seed_repeats(client, media, tmp_path):
    jobs = [done(client, "tiny-multitalk", media, seed=seed) for seed in (3, 3, 4)]

    (frames, seconds), (again, _), (other, _) = (video_of(client, job, tmp_path) for job in jobs)
    assert frames.shape == (17, 64, 64, 3)
    assert seconds == pytest.approx(0.68, abs=0.03)
    assert jobs[0].result.notes["clips"] == 3
    assert np.array_equal(frames, again)
    assert not np.array_equal(frames, other)
    assert {"downloading_weights", "preprocessing", "generating", "encoding"} <= set(
        jobs[0].timings
    )


@pytest.mark.parametrize(("mode", "frames"), [("together", 17), ("one_after_another", 30)])
def test_two_people_speak_with_two_voices(client, media, tmp_path, mode, frames):
    job = done(client, "tiny-multitalk", media, ("image", "audio", "audio_2"), audio_mode=mode)

    assert len(video_of(client, job, tmp_path)[0]) == frames
    assert job.result.notes["people_from"] == "halves"


def test_people_are_rectangles_of_the_picture(client, media):
    boxes = [
        {"top": 0, "bottom": 160, "left": 0, "right": 80},
        {"top": 0, "bottom": 160, "left": 80, "right": 160},
    ]

    job = done(client, "tiny-multitalk", media, ("image", "audio", "audio_2"), people=boxes)

    assert job.result.notes["people"] == boxes


def test_people_are_two_faces_that_the_detector_finds(client, media, tmp_path):
    two = np.hstack([portrait("portrait"), portrait("smiling")])
    media["image"] = tmp_path / "two.png"
    cv2.imwrite(str(media["image"]), two)

    job = done(client, "tiny-multitalk", media, TWO, people="faces")

    left, right = job.result.notes["people"]
    assert job.result.notes["people_from"] == "faces"
    assert 0 <= left["left"] < left["right"] <= right["left"] < right["right"] <= two.shape[1]


def test_two_people_speak_two_texts(client, media, tmp_path):
    texts = {"text": "Hello there.", "text_2": "And hello.", "voice_2": "ef_dora"}

    job = done(client, "tiny-multitalk-text", media, ("image",), people="halves", **texts)

    frames, seconds = video_of(client, job, tmp_path)
    assert len(frames) == job.result.frames == pytest.approx(25 * seconds, abs=2)
    assert job.result.notes["text_2"]["voice"] == "ef_dora"


def test_a_step_cache_says_what_it_computed(client, media):
    job = done(client, "tiny-multitalk", media, steps=6, step_cache=0.5)

    assert job.result.notes["steps_computed"] in {"5 of 6", "6 of 6"}


def test_a_cancel_ends_within_a_step_with_the_model_warm(client, running, media, tmp_path):
    long = media | {"audio": write_voice(tmp_path / "long.wav", tone(20.0))}
    warm = done(client, "tiny-multitalk", media)
    job_id = submitted(client, "tiny-multitalk", long, ("image", "audio")).id
    until(lambda: step_of(client, job_id), seconds=60, what="the second step")

    client.cancel(job_id)
    ended = until(lambda: finished(client, job_id), seconds=30, what="the end")
    after = done(client, "tiny-multitalk", media)

    assert ended.status == "canceled"
    assert ended.progress.step < ended.progress.steps == 248
    assert {"downloading_weights", "loading_model"}.isdisjoint(after.timings)
    assert len({child_of(running, each) for each in (warm.id, job_id, after.id)}) == 1


def step_of(client, job_id):
    """The step that a job has reached, from the second one on."""
    job = client.get(job_id)
    step = job.progress.step or 0
    return step if job.phase == "generating" and step >= 2 else None


def test_a_quantized_base_with_a_distilled_lora(client, media):
    job = done(client, "tiny-multitalk-gguf", media, quality="fast", steps=4)

    assert job.result.notes["weights"]["experts"].startswith("GGUF")
    assert job.result.notes["loras"] == ["8step at 1"]


def test_infinitetalk_speaks_from_a_picture_and_from_a_clip(client, media, tmp_path):
    job = done(client, "tiny-infinitetalk", media)
    clip = client.download(job, tmp_path / "clip.mp4")

    dubbed = done(client, "tiny-infinitetalk", {**media, "video": clip}, ("video", "audio"))

    assert job.result.frames == dubbed.result.frames == 17


def finished(client, job_id):
    job = client.get(job_id)
    return job if job.status not in {"queued", "running"} else None


@pytest.mark.parametrize(
    ("recordings", "params", "code", "field"),
    [
        ({"audio": "silent"}, {}, "audio_silent", "audio"),
        ({"audio": "one", "audio_2": "silent"}, {}, "audio_silent", "audio_2"),
        ({"audio": "short"}, {}, "audio_too_short", "audio"),
        ({"audio": "one", "audio_2": "two"}, {"people": "faces"}, "no_face", "people"),
        ({"audio": "one"}, {"people": [OUTSIDE]}, "region_outside", "people"),
        ({}, {"text": "Hello."}, "speech_unavailable", "text"),
    ],
)
def test_what_only_the_worker_sees_fails_with_a_sentence(
    client, media, tmp_path, recordings, params, code, field
):
    write_voice(tmp_path / "silent.wav", tone(0.5, level=0))
    write_voice(tmp_path / "short.wav", tone(0.08))
    sent = {name: tmp_path / f"{recording}.wav" for name, recording in recordings.items()}
    sent["image"] = media["image"]

    job_id = submitted(client, "tiny-multitalk", sent, sent, **params).id
    job = until(lambda: finished(client, job_id), seconds=120, what="the end")

    assert (job.status, job.error.code, job.error.field) == ("failed", code, field)
    assert job.error.detail.endswith(".")


@pytest.mark.parametrize(
    ("fields", "params", "sentence"),
    [
        ((*TWO, "audio_3"), {}, "audio_3"),
        (TWO, {"people": [INSIDE]}, "each voice: 2, not 1"),
        (ONE, {"people": [INSIDE, INSIDE]}, "each voice: 1, not 2"),
        (ONE, {"people": "faces"}, "is for two voices"),
        (ONE, {"text": "Hello."}, "either `audio` or `text`"),
        (("image",), {}, "set `audio` or `text`"),
        (ONE, {"step_cache": 0.9}, "0.5"),
    ],
)
def test_what_the_request_shows_is_refused_at_once(client, media, fields, params, sentence):
    media["audio_3"] = media["audio_2"]

    with pytest.raises((InvalidInput, UsageError)) as refused:
        submitted(client, "tiny-multitalk", media, fields, **params)

    assert sentence in str(refused.value)


def test_a_job_whose_worker_was_killed_goes_on_from_its_last_clip(running, client, media, tmp_path):
    long = media | {"audio": write_voice(tmp_path / "long.wav", tone(3.0))}
    whole = done(client, "tiny-multitalk", long)
    job_id = submitted(client, "tiny-multitalk", long, ("image", "audio")).id

    def at_third_clip():
        job = client.get(job_id)
        return job.phase == "generating" and (job.progress.step or 0) >= 5

    until(at_third_clip, seconds=60, what="the third clip")
    os.kill(child_of(running, job_id), signal.SIGKILL)
    job = client.wait(job_id, timeout=120)

    frames, again = (video_of(client, each, tmp_path)[0] for each in (whole, job))
    assert job.attempt == 2
    assert job.result.notes["parts_of_a_lost_attempt"] >= 2
    assert np.array_equal(frames, again)


def child_of(running, job_id):
    """The process that runs a job."""
    engine = create_database_engine(running.database_url)
    try:
        with engine.connect() as connection:
            return connection.scalar(select(Attempt.pid).where(Attempt.job_id == job_id))
    finally:
        engine.dispose()
