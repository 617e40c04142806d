"""Real jobs over HTTP, through all programs."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import av
import pytest
from sqlalchemy import func, select

from jobs.states import Event, Outcome
from jobs.tables import Attempt, EventRow
from kinomill import JobFailed
from tests.acceptance.pictures import shrunk, wall
from tests.acceptance.sounds import lengthen
from tests.waiting import until

MODEL = "preview-lipsync"


@pytest.fixture
def long_voice(voice, tmp_path):
    """Forty seconds of speech: a job long enough to be interrupted."""
    return lengthen(voice, tmp_path / "long.wav", times=6)


def running_attempt(stack_sessions, job_id):
    with stack_sessions() as session:
        return session.scalar(
            select(Attempt).where(Attempt.job_id == job_id, Attempt.ended_at.is_(None))
        )


def attempts(stack_sessions, job_id):
    with stack_sessions() as session:
        rows = select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)
        return list(session.scalars(rows))


def published(stack_sessions, job_ids):
    with stack_sessions() as session:
        return session.scalar(
            select(func.count())
            .select_from(EventRow)
            .where(EventRow.job_id.in_(job_ids), EventRow.kind == Event.PUBLISHED)
        )


def generating(client, job_id):
    return client.get(job_id).phase == "generating"


def test_a_photo_and_a_voice_become_a_video_of_the_voice_s_length(client, photo, voice, tmp_path):
    done = client.run(MODEL, image=str(photo), audio=voice.read_bytes(), fps=30)
    path = client.download(done, tmp_path)

    result = done.result
    assert path.name == f"{done.id}.mp4"
    assert path.stat().st_size == result.size_bytes
    with av.open(str(path)) as video:
        picture, sound = video.streams.video[0], video.streams.audio[0]
        frames = sum(1 for _ in video.decode(picture))
    with av.open(str(path)) as video:
        samples = sum(frame.samples for frame in video.decode(audio=0))
    assert frames == result.frames == 213
    assert abs(samples / sound.rate - 7.1) < 1 / 30 + 0.03
    assert done.timings["generating"] > 0
    assert done.provenance["license"] == "Apache-2.0"


def test_a_killed_child_costs_one_attempt_and_no_job(client, stack_sessions, photo, long_voice):
    job = client.submit(MODEL, image=photo, audio=long_voice)
    until(lambda: generating(client, job.id), what="generating")

    os.kill(running_attempt(stack_sessions, job.id).pid, signal.SIGKILL)
    done = client.wait(job)

    assert done.attempt == 2
    outcomes = [attempt.outcome for attempt in attempts(stack_sessions, job.id)]
    assert outcomes == [Outcome.LOST, Outcome.SUCCEEDED]
    assert published(stack_sessions, [job.id]) == 1


def test_a_flushed_broker_loses_no_job(client, broker, stack_sessions, photo, voice):
    files = {"image": photo, "audio": voice}
    ids = [client.submit(MODEL, files).id for _ in range(6)]
    until(lambda: client.get(ids[0]).status != "queued", what="the first job to start")

    broker.flushall()
    for job_id in ids:
        client.wait(job_id)

    assert published(stack_sessions, ids) == len(ids)


def test_a_canceled_job_stops_at_its_next_frame_and_the_model_stays_in_memory(
    client, stack_sessions, photo, voice, long_voice
):
    job = client.submit(MODEL, image=photo, audio=long_voice)
    until(lambda: generating(client, job.id), what="generating")
    pid = running_attempt(stack_sessions, job.id).pid

    client.cancel(job)
    with pytest.raises(JobFailed, match="canceled"):
        client.wait(job)

    after = client.submit(MODEL, image=photo, audio=voice)
    done = client.wait(after)
    assert attempts(stack_sessions, after.id)[0].pid == pid
    assert "loading_model" not in done.timings


def test_a_hundred_jobs_at_once_all_succeed(client, stack_sessions, photo, tmp_path, voice):
    short = lengthen(voice, tmp_path / "short.wav", seconds=0.5)
    files = {"image": shrunk(photo, tmp_path / "small.jpg"), "audio": short}

    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda _: client.submit(MODEL, files), range(100)))
    ids = [job.id for job in jobs]
    done = [client.wait(job_id) for job_id in ids]

    assert len(set(ids)) == 100
    assert {job.status for job in done} == {"succeeded"}
    assert published(stack_sessions, ids) == 100


def test_an_image_without_a_face_fails_with_an_explanation(client, voice, tmp_path):
    job = client.submit(MODEL, image=wall(tmp_path / "wall.png"), audio=voice)

    with pytest.raises(JobFailed, match="no_face"):
        client.wait(job)
    error = client.get(job).error
    assert error.field == "image"
    assert not error.retryable
