"""Image-to-video with tiny Wan models from a fake Hub, over HTTP."""

from __future__ import annotations

import json

import av
import cv2
import numpy as np
import pytest
from sqlalchemy import select

from jobs.tables import Attempt
from kinomill import Client
from runtime.database import create_database_engine, create_session_factory
from tests.acceptance.tiny_hub import publish
from tests.folders import temporary_folder
from tests.models.wan.running import sample_image
from tests.models.wan.tiny import tiny_weights
from tests.running_stack import running_stack
from tests.waiting import until
from tests.weights.fake_hub import fake_hub

pytestmark = pytest.mark.slow

TINY_MODELS = {
    "tiny-wan2.1": {"kind": "wan2.1", "vae": "single", "text": "fp8"},
    "tiny-wan2.2": {"kind": "wan2.2"},
    "tiny-wan2.2-gguf": {"kind": "wan2.2", "form": "gguf-q5_0", "vae": "single", "text": "fp8"},
    "tiny-ti2v": {"kind": "ti2v"},
}
CARD_NAMES = ("TINY_2_1", "TINY_2_2", "TINY_GGUF", "TINY_5B")
CARDS = [f"tests.acceptance.wan_cards:{name}" for name in CARD_NAMES]
REQUEST = {"prompt": "a cat looks around", "width": 64, "height": 96, "frames": 9, "fps": 12}
COLD_PHASES = {"downloading_weights", "loading_model"}


@pytest.fixture(scope="module")
def manifests():
    """Manifests of all tiny models, and a Hub that serves their files."""
    with temporary_folder("wan") as folder, fake_hub() as hub:
        for name, options in TINY_MODELS.items():
            publish(hub, folder, name, tiny_weights(folder / name, **options))
        yield folder, hub.url


@pytest.fixture(scope="module")
def running(manifests):
    """A Kinomill that pulls each model on demand and keeps one in memory."""
    folder, hub_url = manifests
    with temporary_folder("wan-home") as home:
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "KINOMILL_HEARTBEAT_INTERVAL": "0.1",
            "HF_ENDPOINT": hub_url,
            "WAN_MANIFESTS": str(folder),
        }
        with running_stack(home, variables) as stack:
            yield stack


@pytest.fixture
def client(running):
    with Client(running.url) as client:
        yield client


@pytest.fixture
def pids(running):
    """The worker's child that ran each of these jobs."""
    engine = create_database_engine(running.database_url)
    sessions = create_session_factory(engine)

    def of(*job_ids):
        with sessions() as session:
            rows = select(Attempt.pid).where(Attempt.job_id.in_(job_ids))
            return list(session.scalars(rows))

    yield of
    engine.dispose()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), sample_image(160, 240))
    return path


def video_of(client, job, folder):
    """Return its frames and their rate."""
    path = client.download(job, folder / f"{job.id}.mp4")
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames), container.streams.video[0].average_rate


def submitted(client, model, picture, **params):
    return client.submit(model, {**REQUEST, **params}, image=picture).id


def done(client, model, picture, **params):
    return client.wait(submitted(client, model, picture, **params))


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("tiny-wan2.1", {"steps": 3}),
        ("tiny-wan2.2", {"steps": 3}),
        ("tiny-wan2.2-gguf", {"quality": "fast"}),
        ("tiny-ti2v", {"steps": 3}),
    ],
)
def test_every_model_generates_the_requested_video(client, picture, model, params, tmp_path):
    job = done(client, model, picture, seed=11, **{"height": 64, **params})

    frames, rate = video_of(client, job, tmp_path)
    result = job.result
    assert frames.shape == (9, 64, 64, 3)
    assert (rate, result.width, result.height) == (12, 64, 64)
    assert result.frames == 9
    assert result.notes["seed"] == 11
    assert COLD_PHASES | {"preprocessing", "generating", "encoding"} <= set(job.timings)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(client, picture, tmp_path):
    jobs = [done(client, "tiny-wan2.2", picture, steps=2, seed=seed) for seed in (1, 1, 2)]

    first, again, other = (video_of(client, job, tmp_path)[0] for job in jobs)
    assert first.shape == (9, 96, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_cancel_at_step_2_of_20_ends_the_job_and_keeps_the_child(client, picture, pids):
    large = {"width": 256, "height": 256, "frames": 17}
    warm = done(client, "tiny-wan2.2", picture, steps=1)
    job_id = submitted(client, "tiny-wan2.2", picture, steps=20, **large)

    def at_step():
        job = client.get(job_id)
        progress = job.progress.step or 0
        return progress if job.phase == "generating" and progress >= 2 else None

    until(at_step, seconds=120, what="step 2")
    client.cancel(job_id)
    ended = until(lambda: finished(client, job_id), seconds=60, what="the end")
    after = done(client, "tiny-wan2.2", picture, steps=1)

    assert ended.status == "canceled"
    assert ended.progress.step <= 10
    assert COLD_PHASES.isdisjoint(after.timings)
    assert len(set(pids(warm.id, job_id, after.id))) == 1


def finished(client, job_id):
    job = client.get(job_id)
    return job if job.status not in {"queued", "running"} else None


def test_a_prompt_that_is_too_long_fails_with_an_explanation(client, picture):
    job_id = submitted(client, "tiny-wan2.2", picture, prompt="#" * 600)

    job = until(lambda: finished(client, job_id), seconds=120, what="the end")

    assert job.status == "failed"
    assert "601 tokens" in job.error.detail or "602 tokens" in job.error.detail
    assert job.error.field == "prompt"
