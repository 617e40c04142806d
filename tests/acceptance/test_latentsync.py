"""LatentSync with tiny networks: clips, voices and texts over HTTP, through a worker."""

from __future__ import annotations

import json
import os
import signal
from fractions import Fraction

import av
import cv2
import httpx
import numpy as np
import pytest
import torch
from sqlalchemy import select

from jobs.tables import Attempt
from kinomill import Client
from kinomill.errors import InvalidInput
from runtime.database import create_database_engine, create_session_factory
from tests.acceptance.manifests import manifest, weight_files
from tests.folders import temporary_folder
from tests.models.latentsync.tiny import tiny_speaking_weights
from tests.models.lipsync.harness import portrait, voice
from tests.models.video.media import clip, tone, wav
from tests.running_stack import running_stack
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]

MODEL = "tiny-latentsync"
BROKEN = {
    "page": "latentsync_unet.pt is a web page",
    "cut": "latentsync_unet.pt is cut short or damaged",
    "old": "has no temporal layers: it is LatentSync 1.0",
}
"""What is refused instead of a UNet, with a part of the sentence."""
CARDS = [f"tests.acceptance.latentsync_cards:{name}" for name in ("TINY", "PAGE", "CUT", "OLD")]
FACE = portrait("portrait")
WALL = np.full((240, 200, 3), (90, 40, 30), np.uint8)
MOUTH = slice(100, 150), slice(70, 140)
COLD_PHASES = {"downloading_weights", "loading_model"}
STEPS = 20
UNET = "unet/latentsync_unet.pt"


@pytest.fixture(scope="module")
def running():
    """A Kinomill whose worker keeps the tiny model in memory."""
    with temporary_folder("latentsync") as folder, temporary_folder("latentsync-home") as home:
        files = weight_files(tiny_speaking_weights(folder / "weights"))
        (folder / f"{MODEL}.toml").write_text(manifest(MODEL, files))
        for name, path in broken_files(folder, files[UNET]).items():
            (folder / f"{name}.toml").write_text(manifest(name, {**files, UNET: path}))
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_ACCEPT_LICENSES": json.dumps([MODEL, *BROKEN]),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "KINOMILL_HEARTBEAT_INTERVAL": "0.1",
            "LATENTSYNC_MANIFESTS": str(folder),
        }
        with running_stack(home, variables) as stack:
            yield stack


def broken_files(folder, path):
    """A web page, half of a file, and a file of version 1.0 in place of this UNet."""
    content = torch.load(path, weights_only=True)
    spatial = {
        name: tensor
        for name, tensor in content["state_dict"].items()
        if ".motion_modules." not in name
    }
    found = {name: folder / f"{name}.pt" for name in BROKEN}
    found["page"].write_text("<!DOCTYPE html><html>Sign in</html>")
    found["cut"].write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    torch.save(content | {"state_dict": spatial}, found["old"])
    return found


@pytest.fixture
def client(running):
    with Client(running.url) as client:
        yield client


@pytest.fixture
def spoken(tmp_path):
    """Half a second of voice."""
    return voice(tmp_path / "voice.wav", 0.5)


def request(video, sound=None, **params):
    """The input of a job."""
    wanted = {"guidance": 1, "seed": 3, "rest_in_silence": False, "video": video, **params}
    return wanted if sound is None else {**wanted, "audio": sound}


def made(client, folder, *args, **params):
    """The finished job and the frames of its video."""
    job = client.run(MODEL, request(*args, **params))
    path = client.download(job, folder / f"{job.id}.mp4")
    with av.open(str(path)) as container:
        return job, [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def moved(found, sources):
    """Whether the mouth of each frame differs from its source."""
    return [
        np.abs(frame.astype(int) - source).mean(axis=2)[MOUTH].mean() > 15
        for frame, source in zip(found, sources, strict=True)
    ]


@pytest.mark.parametrize(
    "fps", [Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60000, 1001)]
)
def test_a_clip_keeps_its_rate(client, tmp_path, spoken, fps):
    video = clip(tmp_path / "clip.mp4", [FACE] * 20, fps=fps)

    job, found = made(client, tmp_path, video, spoken)

    assert Fraction(job.result.fps).limit_denominator(1001) == fps
    assert job.result.frames == len(found) == -(-fps // 2)
    assert all(moved(found, [FACE] * len(found)))
    assert job.result.notes["frames_with_face"] == job.result.frames


def test_the_result_reports_its_quality_and_where_it_ran(client, tmp_path, spoken):
    notes = made(client, tmp_path, clip(tmp_path / "clip.mp4", [FACE] * 5), spoken)[0].result.notes

    assert (notes["runs_on"], notes["offload"]) == ("cpu float32", "cpu")
    assert {"face_enlargement", "color_correction", "weights_sha256"} <= notes.keys()
    assert (notes["scene_cuts"], notes["frames_without_face"], notes["seed"]) == (0, 0, 3)


def test_a_stretch_without_a_face_passes_through(client, tmp_path):
    pictures = [*[FACE] * 12, *[WALL] * 16, *[FACE] * 12]
    video = clip(tmp_path / "clip.mp4", pictures)

    job, found = made(client, tmp_path, video, voice(tmp_path / "long.wav", 1.6))

    seen = moved(found, pictures)
    assert job.result.notes["frames_without_face"] == 16
    assert seen[:8] == seen[-8:] == [True] * 8
    assert seen[12:28] == [False] * 16


def test_each_scene_is_generated_for_itself(client, tmp_path):
    darker = cv2.convertScaleAbs(np.ascontiguousarray(FACE[:, ::-1]), alpha=0.5)
    pictures = [*[FACE] * 6, *[darker] * 7]
    video = clip(tmp_path / "clip.mp4", pictures)

    job, found = made(client, tmp_path, video, voice(tmp_path / "voice.wav", 0.52))

    assert job.result.notes["scene_cuts"] == 1
    assert abs(found[6].mean() - darker.mean()) < 0.1 * FACE.mean()


@pytest.mark.parametrize(("choice", "left"), [("largest", True), (1, False)])
def test_one_of_two_people_speaks(client, tmp_path, choice, left):
    pair = np.full((240, 400, 3), 128, np.uint8)
    pair[:, :200] = FACE
    pair[60:204, 240:360] = cv2.resize(FACE, (120, 144))
    video = clip(tmp_path / "clip.mp4", [pair] * 5)

    _, found = made(client, tmp_path, video, voice(tmp_path / "voice.wav", 0.2), face=choice)

    change = np.abs(np.array(found).astype(int) - pair).mean(axis=(0, 3)) > 60
    assert (change[:, :200].sum() > 100, change[:, 200:].sum() > 100) == (left, not left)


def test_a_text_is_spoken(client, tmp_path):
    job, found = made(client, tmp_path, clip(tmp_path / "clip.mp4", [FACE] * 5), text="Hello.")

    assert job.result.notes["speech"] == "synthesized from text by Kokoro-82M"
    assert [file.name for file in job.result.files] == ["voice.wav"]
    assert all(moved(found, [FACE] * len(found)))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_voice_others(client, tmp_path):
    video = clip(tmp_path / "clip.mp4", [FACE] * 5)
    first, second = (voice(tmp_path / f"{at}.wav", 0.2, [at]) for at in (0.02, 0.1))
    runs = [(first, 4), (first, 4), (first, 5), (second, 4)]

    digests = [
        made(client, tmp_path, video, sound, seed=seed)[0].result.sha256 for sound, seed in runs
    ]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_progress_counts_steps_and_a_cancel_ends_within_one_with_the_model_warm(
    client, running, tmp_path, spoken
):
    video = clip(tmp_path / "clip.mp4", [FACE] * 20)
    warm, _ = made(client, tmp_path, video, spoken)
    long = voice(tmp_path / "long.wav", 8)
    job_id = client.submit(MODEL, request(video, long)).id

    seen = until(lambda: has_preview(client, running, job_id), seconds=120, what="a preview")
    client.cancel(job_id)
    ended = until(lambda: finished(client, job_id), seconds=60, what="the end")
    after, _ = made(client, tmp_path, video, spoken)

    assert seen.progress.steps == 200 * STEPS
    assert 1 <= seen.progress.part <= seen.progress.parts == 17
    assert 12 * STEPS <= seen.progress.step < 200 * STEPS
    assert ended.status == "canceled"
    assert ended.progress.step < 200 * STEPS
    assert COLD_PHASES.isdisjoint(after.timings)
    assert len(set(pids(running, warm.id, job_id, after.id))) == 1


def has_preview(client, running, job_id):
    """The job, if it has a preview."""
    answer = httpx.get(f"{running.url}/v1/jobs/{job_id}/preview")
    if answer.status_code != 200:
        return None
    assert answer.content.startswith(b"\xff\xd8")
    return client.get(job_id)


def finished(client, job_id):
    job = client.get(job_id)
    return job if job.done else None


def pids(running, *job_ids):
    """The worker's child that ran each of these jobs."""
    engine = create_database_engine(running.database_url)
    with create_session_factory(engine)() as session:
        found = list(session.scalars(select(Attempt.pid).where(Attempt.job_id.in_(job_ids))))
    engine.dispose()
    return found


def test_a_job_whose_worker_was_killed_goes_on_from_its_last_chunk(client, running, tmp_path):
    video = clip(tmp_path / "clip.mp4", [FACE] * 20)
    sound = voice(tmp_path / "long.wav", 2.5)
    whole, expected = made(client, tmp_path, video, sound)
    job_id = client.submit(MODEL, request(video, sound)).id

    def at_third_chunk():
        return (client.get(job_id).progress.step or 0) > 24 * STEPS

    until(at_third_chunk, seconds=120, what="the third chunk")
    os.kill(pids(running, job_id)[0], signal.SIGKILL)
    job = client.wait(job_id, timeout=300)

    assert job.attempt == 2
    assert job.result.notes["parts_of_a_lost_attempt"] >= 2
    assert job.result.sha256 == whole.result.sha256
    assert len(expected) == job.result.frames


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_unet_fails_the_job_with_a_sentence(client, tmp_path, spoken, kind):
    video = clip(tmp_path / "clip.mp4", [FACE] * 5)

    job_id = client.submit(kind, request(video, spoken)).id
    job = until(lambda: finished(client, job_id), seconds=120, what="the end")

    assert (job.status, job.error.code) == ("failed", "weights_invalid")
    assert BROKEN[kind] in job.error.detail


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"steps": 19}, "20"),
        ({"steps": 51}, "50"),
        ({"guidance": 0.5}, "1"),
        ({"guidance": 3.5}, "3"),
        ({"cache_interval": 9}, "5"),
        ({"text": "Hello."}, "exactly one of `audio` and `text`"),
        ({"upstream": True, "sharpen": 0.5}, "`upstream` sets"),
    ],
)
def test_what_the_request_shows_is_refused_at_once(client, tmp_path, spoken, params, sentence):
    video = clip(tmp_path / "clip.mp4", [FACE] * 5)

    with pytest.raises(InvalidInput) as refused:
        client.submit(MODEL, request(video, spoken, **params))

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("level", "picture", "code", "field"),
    [(0.0, FACE, "audio_silent", "audio"), (0.05, WALL, "no_face", "video")],
)
def test_what_only_the_worker_sees_fails_with_a_sentence(
    client, tmp_path, level, picture, code, field
):
    video = clip(tmp_path / "clip.mp4", [picture] * 5)
    sound = wav(tmp_path / "voice.wav", tone(0.2, 16_000, level=level), 16_000)

    job_id = client.submit(MODEL, request(video, sound)).id
    job = until(lambda: finished(client, job_id), seconds=120, what="the end")

    assert (job.status, job.error.code, job.error.field) == ("failed", code, field)
    assert job.error.detail.endswith(".")
