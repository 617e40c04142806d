"""The life of one job on a worker, with a real database and real storage."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from jobs import lease as leases
from jobs.ids import input_key
from jobs.queue.end_hints import CHANNEL, ended_ids
from jobs.states import Event, Outcome, State
from models import catalog
from runtime.postgres.direct import DirectConnection
from storage.base import ObjectNotFound, StorageDenied, StorageUnavailable, UploadCorrupted
from tests.jobs import build
from tests.jobs.build import new_file_id
from tests.waiting import until
from tests.workers import script
from tests.workers.job_helpers import StorageWrapper, run_next, scratch, stored, submit
from workers.child.run_job import run_job


def test_a_success_stores_the_result_and_its_provenance(context, sessions, storage):
    job_id = submit(sessions)

    outcome = run_job("script", context)

    job, attempt = build.job(sessions, job_id), build.attempt(sessions, job_id)
    assert outcome == attempt.outcome == Outcome.SUCCEEDED
    kept = b"".join(storage.open(attempt.key))
    assert job.result == {
        "key": f"results/{job_id}/1-{attempt.token.hex[:8]}.mp4",
        "content_type": "video/mp4",
        "size_bytes": len(kept),
        "sha256": hashlib.sha256(kept).hexdigest(),
        "width": 64,
        "height": 48,
        "fps": "30000/1001",
        "frames": 30,
        "duration_seconds": 1.001,
        "has_audio": False,
        "encoder": "none",
        "notes": {"inputs": []},
        "files": [],
    }
    assert set(job.timings) == {"starting", "loading_model", "generating", "uploading"}
    assert attempt.key == job.result["key"]
    assert kept.startswith(script.VIDEO)
    assert scratch(context) == []


def test_the_example_becomes_a_video(context, sessions, storage, photo, voice):
    files = {"image": photo, "audio": voice}
    ids = {name: new_file_id() for name in files}
    for name, path in files.items():
        storage.put(input_key(ids[name]), path, content_type="application/octet-stream")
    card = catalog.get("preview-lipsync")
    params = card.input.model_validate(ids | {"fps": 5, "max_side": 128})
    job_id = build.submitted(sessions, input=params.model_dump(mode="json"))

    assert run_job(card.name, context) == Outcome.SUCCEEDED

    job = build.job(sessions, job_id)
    assert (job.result["fps"], job.result["frames"]) == ("5", 36)
    assert storage.stat(job.result["key"]).size_bytes == job.result["size_bytes"]
    assert {"fetching_inputs", "preprocessing", "generating"} <= set(job.timings)
    poster = job.result["poster"]
    assert max(poster["width"], poster["height"]) == 128
    assert b"".join(storage.open(poster["key"])).startswith(b"\xff\xd8\xff")


def test_the_caller_sees_the_message_of_a_model_error(context, sessions, storage):
    job_id = submit(sessions, "reject")

    assert run_job("script", context) == Outcome.FAILED

    assert build.job(sessions, job_id).error == {
        "code": "no_face",
        "detail": "There is no face: send another picture.",
        "retryable": False,
        "field": "image",
    }
    assert (stored(storage), scratch(context)) == ([], [])


def test_an_unknown_error_code_still_fails_the_job(context, sessions):
    job_id = submit(sessions, "reject_with_unknown_code")

    run_job("script", context)

    error = build.job(sessions, job_id).error
    assert (error["code"], error["detail"]) == ("model_error", "There is no unicorn.")


def test_an_unexpected_error_is_an_internal_error_whose_text_stays_in_the_log(context, sessions):
    job_id = submit(sessions, "crash")

    with capture_logs() as logs:
        assert run_job("script", context) == Outcome.FAILED

    error = build.job(sessions, job_id).error
    assert error["code"] == "internal_error"
    assert "secret" not in f"{error}"
    assert any(entry.get("exc_info") for entry in logs)


def test_a_panic_in_a_library_fails_the_job_as_an_internal_error(context, sessions):
    job_id = submit(sessions, "panic")

    assert run_job("script", context) == Outcome.FAILED

    assert build.job(sessions, job_id).error["code"] == "internal_error"


def test_a_full_disk_is_retried(context, sessions):
    job_id = submit(sessions, "fill_disk")

    assert run_job("script", context) == Outcome.RETRIED

    assert build.job(sessions, job_id).state == State.QUEUED
    assert build.attempt(sessions, job_id).error["code"] == "disk_full"
    assert scratch(context) == []


@pytest.mark.parametrize("instead", [None, "file"])
def test_a_missing_scratch_folder_has_its_own_code_until_it_is_back(context, sessions, instead):
    scratch_folder = context.settings.scratch
    scratch_folder.rmdir()
    if instead:
        scratch_folder.touch()
    job_id = submit(sessions)

    assert run_job("script", context) == Outcome.RETRIED

    error = build.attempt(sessions, job_id).error
    assert error["code"] == "disk_unwritable"
    assert "KINOMILL_SCRATCH" in error["detail"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StorageUnavailable("503"), Outcome.RETRIED),
        (UploadCorrupted("half"), Outcome.RETRIED),
        (StorageDenied("no rights"), Outcome.FAILED),
    ],
)
def test_a_storage_error_never_leaves_a_success_without_a_video(
    context, sessions, storage, error, outcome
):
    class Failing(StorageWrapper):
        def put(self, *_, **__):
            raise error

    job_id = submit(sessions)

    assert run_job("script", replace(context, storage=Failing(storage))) == outcome

    job, attempt = build.job(sessions, job_id), build.attempt(sessions, job_id)
    assert (job.result, attempt.key) == (None, None)
    assert attempt.error["code"] == "storage_unavailable"


def test_a_job_beyond_its_account_s_limit_is_held(context, sessions):
    running = build.started(sessions)
    limited = context.settings.model_copy(update={"max_running_per_account": 1})
    job_id = submit(sessions)

    assert run_job("script", replace(context, settings=limited)) is None
    assert build.job(sessions, job_id).due_at is None
    with sessions.begin() as session:
        leases.cancel(session, running)

    assert run_job("script", replace(context, settings=limited)) == Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("act_name", "outcome", "code"),
    [
        ("fill_gpu", Outcome.FAILED, "gpu_oom"),
        ("raise_cuda_error", Outcome.RETRIED, "internal_error"),
        ("fill_memory", Outcome.RETRIED, "internal_error"),
    ],
)
def test_a_fatal_memory_error_is_stored_before_the_process_ends(
    context, sessions, act_name, outcome, code
):
    job_id = submit(sessions, act_name)

    assert run_job("script", context) == outcome

    assert context.model_cache.poisoned
    assert build.attempt(sessions, job_id).error["code"] == code
    assert scratch(context) == []


@pytest.mark.parametrize("ending", ["reject", "crash", "fill_disk"])
def test_another_error_does_not_end_the_process(context, sessions, ending):
    run_next(context, submit(sessions, ending))

    assert not context.model_cache.poisoned


def test_a_duplicate_message_does_nothing(context, sessions, storage):
    job_id = submit(sessions)
    run_job("script", context)

    assert run_job("script", context) is None

    assert build.job(sessions, job_id).attempt == 1
    assert len(stored(storage)) == 1


def test_a_message_without_a_due_job_ends_after_one_statement(context, sessions, trips):
    build.canceled(sessions)

    assert run_job("script", context) is None

    assert trips == [1]


def test_an_attempt_takes_one_statement_to_claim_and_one_to_publish(context, sessions, trips):
    quiet = context.settings.model_copy(update={"heartbeat_interval": timedelta(seconds=20)})
    submit(sessions)

    assert run_job("script", replace(context, settings=quiet)) == Outcome.SUCCEEDED

    assert trips == [1, 1]


def test_whoever_waits_for_a_job_is_told_of_its_end(context, sessions, redis):
    job_id = submit(sessions)
    with redis.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe(CHANNEL)
        subscriber.get_message(timeout=1)

        run_job("script", context)
        message = subscriber.get_message(timeout=5)

    assert ended_ids(message["data"]) == [job_id]


def test_a_job_of_another_model_evicts_the_first_one(context, sessions):
    submit(sessions)
    second = build.submitted(sessions, model="hasty", queue="script", input={})

    for model in ("script", "hasty"):
        assert run_job(model, context) == Outcome.SUCCEEDED

    assert "loading_model" in build.job(sessions, second).timings


def lose_reply(monkeypatch, when):
    """Lose the first reply to a claim or an end for which `when()` holds, after its commit."""

    def execute_together(self, requests):
        rows = execute(self, requests)
        if not lost and when():
            lost.append(rows)
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))
        return rows

    lost, execute = [], DirectConnection.execute_together
    monkeypatch.setattr(DirectConnection, "execute_together", execute_together)
    return lost


def test_a_lost_reply_to_the_success_is_a_success(context, sessions, storage, monkeypatch):
    job_id = submit(sessions)
    lost = lose_reply(monkeypatch, lambda: stored(storage))

    assert run_job("script", context) == Outcome.SUCCEEDED

    job = build.job(sessions, job_id)
    assert lost
    assert stored(storage) == [job.result["key"]]
    assert build.events(sessions, job_id).count(Event.PUBLISHED) == 1


def test_a_lost_reply_to_the_claim_is_a_claim(context, sessions, monkeypatch):
    first, second = submit(sessions), submit(sessions)
    lost = lose_reply(monkeypatch, lambda: True)

    assert run_job("script", context) == Outcome.SUCCEEDED

    assert lost
    assert build.job(sessions, first).state == State.SUCCEEDED
    assert build.job(sessions, second).attempt == 0


def test_a_finished_attempt_waits_for_the_end_of_a_database_outage(
    context, sessions, storage, database_link, link_engine, in_thread
):
    class Cutting(StorageWrapper):
        def put(self, key, path, *, content_type):
            found = self._storage.put(key, path, content_type=content_type)
            database_link.cut(sessions)
            in_thread(mend_later)
            return found

    def mend_later():
        until(lambda: any("heartbeat failed" in entry["event"] for entry in logs), what="a miss")
        database_link.restore()

    job_id = submit(sessions)
    with capture_logs() as logs:
        outcome = run_job("script", replace(context, engine=link_engine, storage=Cutting(storage)))

    assert outcome == Outcome.SUCCEEDED
    assert build.job(sessions, job_id).state == State.SUCCEEDED


def test_a_missing_input_fails_the_job(context, sessions):
    job_id = submit(sessions, image=new_file_id())

    assert run_job("script", context) == Outcome.FAILED

    error = build.job(sessions, job_id).error
    assert (error["code"], error["field"]) == ("file_not_found", "image")


def test_a_succeeded_job_always_has_its_video(context, sessions, storage):
    for acts in ([], ["reject"], ["crash"], ["fill_disk"], []):
        run_next(context, submit(sessions, *acts))

    with sessions() as session:
        done = session.scalars(build.select(build.Job).where(build.Job.state == State.SUCCEEDED))
        keys = {job.result["key"] for job in done}

    assert keys == set(stored(storage))
    assert len(keys) == 2
    with pytest.raises(ObjectNotFound):
        storage.stat("results/none.mp4")
