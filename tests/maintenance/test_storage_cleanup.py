"""Storage cleanup: expired objects and orphans are deleted, and an outage only delays it."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest
from sqlalchemy import func
from structlog.testing import capture_logs

from jobs.files import uploads
from jobs.files.uploads import NewFile
from jobs.ids import input_key, new_job_id
from jobs.states import Event
from jobs.tables import UploadedFile
from maintenance import storage_cleanup
from maintenance.settings import MaintenanceSettings
from maintenance.storage_cleanup import StorageCleaner
from runtime.metrics.api import ORPHANS_SWEPT
from storage import disk
from storage.base import StorageDenied, StorageUnavailable
from storage.local.store import LocalStorage
from storage.object_keys import RECORD_SUFFIX
from tests.jobs import build
from tests.jobs.build import new_file_id
from tests.jobs.metrics.reading import counts

SECRET = "s" * 32
DAY = timedelta(hours=24)


@pytest.fixture
def store(tmp_path):
    return LocalStorage(tmp_path / "store", public_url="http://api.test", secret=SECRET.encode())


@pytest.fixture
def cleaner(sessions, store):
    return StorageCleaner(sessions, lambda: store)


@pytest.fixture
def put(store, tmp_path):
    """Put an object into the store, created some time `ago`. Returns its key."""

    def put(key, *, ago=timedelta(0)):
        path = tmp_path / "object"
        path.write_bytes(b"12345")
        stored = store.put(key, path, content_type="video/mp4")
        for record in (tmp_path / "store").rglob(f"*{RECORD_SUFFIX}"):
            fields = json.loads(record.read_text())
            if fields["key"] == key:
                fields["created_at"] = (stored.created_at - ago).isoformat()
                record.write_text(json.dumps(fields))
        return key

    return put


def keys(store, prefix=""):
    return [stored.key for stored in store.list_objects(prefix)]


def done(sessions, put, *files, ago=timedelta(seconds=1), objects_ago=timedelta(0)):
    """A job that succeeded and expired so long ago; returns its id and the key of its result."""
    image = {"image": files[0]} if files else {}
    lease = build.claimed(sessions, build.submitted(sessions, input=image))
    put(lease.result_key("mp4"), ago=objects_ago)
    voice = put(lease.file_key("voice.wav"), ago=objects_ago)
    result = {"key": lease.result_key("mp4"), "files": [{"name": "voice.wav", "key": voice}]}
    with sessions.begin() as session:
        build.leases.succeed(session, lease, result=result, timings={})
    build.change(sessions, [lease.job_id], expires_at=func.now() - ago)
    return lease.job_id, lease.result_key("mp4")


def voice_of(result):
    return result.replace(".mp4", "/voice.wav")


def test_an_expired_job_loses_its_objects_and_nothing_else_does(sessions, store, cleaner, put):
    file = new_file_id()
    job_id, _ = done(sessions, put, file)
    put(input_key(file))
    put(f"results/{job_id}/1-another.mp4")
    _, kept = done(sessions, put, ago=-DAY)

    assert cleaner.expire() == 1

    assert keys(store) == [kept, voice_of(kept)]
    assert build.job(sessions, job_id).expired_at is not None
    assert build.events(sessions, job_id)[-1] == Event.EXPIRED
    assert cleaner.expire() == 0


def uploaded(sessions, put, ago):
    """An uploaded file that expired so long ago; returns its id."""
    file = new_file_id()
    put(input_key(file))
    with sessions.begin() as session:
        new = NewFile(file, "local", "a.png", 5, timedelta(days=1))
        row = uploads.record(session, new, max_bytes=10**15)
        row.expires_at = func.now() - ago
    return file


def test_expired_files_are_deleted_except_those_that_a_job_needs(sessions, store, cleaner, put):
    uploaded(sessions, put, DAY)
    used, fresh = uploaded(sessions, put, -DAY), uploaded(sessions, put, -DAY)
    submission = build.submission(input={"image": used}, files=(used,))
    job = build.submit(sessions, submission)[0].job
    with sessions.begin() as session:
        session.get(UploadedFile, used).expires_at = func.now() - DAY

    assert cleaner.expire_files() == 1
    assert keys(store) == sorted([input_key(used), input_key(fresh)])

    build.cancel(sessions, job.id)
    build.change(sessions, [job.id], expires_at=func.now() - DAY)
    assert cleaner.expire_files() == 1
    assert keys(store) == [input_key(fresh)]


def test_an_upload_that_was_never_completed_is_dropped(sessions, store, cleaner):
    file = new_file_id()
    state = store.uploads.start(file, 10)
    with store.uploads.appending(file) as target:
        target.write(b"12345")
    with sessions.begin() as session:
        new = NewFile(file, "local", "a.png", 10, timedelta(days=1), upload=state)
        uploads.record(session, new, max_bytes=10**15).expires_at = func.now() - DAY

    assert cleaner.expire_files() == 1

    assert store.uploads.received_bytes(file) == 0


def test_objects_of_uploads_without_a_file_are_orphans(sessions, store, cleaner, put):
    known, unknown = new_file_id(), new_file_id()
    with sessions.begin() as session:
        new = NewFile(known, "local", "a.png", 5, timedelta(days=1), upload={"size_bytes": 5})
        uploads.record(session, new, max_bytes=10**15)
    for file in (known, unknown):
        put(f"uploads/{file}", ago=2 * DAY)

    assert cleaner.sweep_orphans() == 1
    assert keys(store) == [f"uploads/{known}"]


def test_an_expired_job_leaves_an_uploaded_file(sessions, store, cleaner, put):
    file = uploaded(sessions, put, -DAY)
    done(sessions, put, file)

    cleaner.expire()
    cleaner.sweep_orphans()

    assert keys(store) == [input_key(file)]


def test_many_jobs_expire_in_batches(sessions, store, cleaner, put, monkeypatch):
    monkeypatch.setattr(storage_cleanup, "EXPIRY_BATCH", 2)
    for _ in range(5):
        done(sessions, put)

    assert cleaner.expire() == 5
    assert keys(store) == []


def test_a_sweep_that_is_stopped_leaves_the_rest(sessions, cleaner, put):
    done(sessions, put)
    cleaner.stopping.set()

    assert cleaner.expire() == 0


def test_a_job_whose_objects_cannot_be_deleted_does_not_delay_others(sessions, store, cleaner, put):
    bad, bad_key = done(sessions, put, ago=timedelta(hours=1))
    good, _ = done(sessions, put)
    for record in store._root.rglob(f"*{RECORD_SUFFIX}"):
        if json.loads(record.read_text())["key"] == bad_key:
            record.write_text("{")
            with record.with_name(record.name.removesuffix(RECORD_SUFFIX)).open("ab") as file:
                disk.set_attribute(file.fileno(), b"{")

    assert cleaner.expire() == 1

    assert build.job(sessions, good).expired_at is not None
    assert build.job(sessions, bad).expired_at is None


class FailingStorage:
    """Storage that raises errors after a number of deletions."""

    def __init__(self, store, after=0):
        self._store = store
        self.left = after

    def list_objects(self, prefix):
        return self._store.list_objects(prefix)

    def delete(self, key):
        if self.left == 0:
            raise StorageUnavailable("503")
        self.left -= 1
        self._store.delete(key)


def test_a_sweep_after_an_outage_deletes_what_is_left(sessions, store, cleaner, put):
    jobs = [done(sessions, put)[0] for _ in range(3)]
    failing = FailingStorage(store, after=2)

    with pytest.raises(StorageUnavailable):
        StorageCleaner(sessions, lambda: failing).expire()
    left = [job_id for job_id in jobs if build.job(sessions, job_id).expired_at is None]

    assert left == jobs
    assert cleaner.expire() == 3
    assert keys(store) == []


def test_orphans_are_old_objects_that_belong_to_no_job(sessions, store, cleaner, put):
    file, unused, young = (new_file_id() for _ in range(3))
    _, result = done(sessions, put, file, ago=-DAY, objects_ago=2 * DAY)
    kept = [put(input_key(file), ago=2 * DAY), put(input_key(young)), result, voice_of(result)]
    kept += [put("results/notes.txt", ago=2 * DAY), put(f"results/{new_job_id()}/1-a.mp4")]
    put(input_key(unused), ago=2 * DAY)
    put(f"results/{new_job_id()}/1-b.mp4", ago=2 * DAY)
    put(f"results/{new_job_id()}/1-b/voice.wav", ago=2 * DAY)

    with capture_logs() as logs:
        assert cleaner.sweep_orphans() == 3

    assert sorted(keys(store)) == sorted(kept)
    counts = [(entry["prefix"], entry["checked"], entry["orphans"]) for entry in logs]
    assert counts == [("results/", 5, 2), ("inputs/", 2, 1), ("uploads/", 0, 0)]
    assert cleaner.sweep_orphans() == 0


def test_a_dry_run_only_counts(sessions, store, put):
    key = put(input_key(new_file_id()), ago=2 * DAY)
    dry = StorageCleaner(sessions, lambda: store, dry_run=True)

    assert dry.sweep_orphans() == 1
    assert keys(store) == [key]


def test_orphans_are_swept_in_batches(sessions, store, cleaner, put, monkeypatch):
    monkeypatch.setattr(storage_cleanup, "ORPHAN_BATCH", 2)
    for _ in range(5):
        put(input_key(new_file_id()), ago=2 * DAY)

    assert cleaner.sweep_orphans() == 5
    assert keys(store) == []
    assert counts(sessions, ORPHANS_SWEPT) == {"inputs": 5}


def test_partial_files_of_killed_writers_are_swept(cleaner, store, tmp_path):
    partial = tmp_path / "store" / "partial" / "abandoned"
    partial.parent.mkdir(parents=True)
    partial.touch()
    assert cleaner.sweep_partials() == 0

    os.utime(partial, (1, 1))

    assert cleaner.sweep_partials() == 1
    assert not partial.exists()


def test_a_bucket_has_no_partial_files(sessions, store):
    assert StorageCleaner(sessions, lambda: FailingStorage(store)).sweep_partials() == 0


def settings(**changes):
    values = {
        "database_url": "postgresql://x",
        "redis_url": "redis://x",
        "storage": "/nowhere",
        "secret_key": SECRET,
    }
    return MaintenanceSettings(**values | changes)


def test_the_cleaner_is_created_from_settings(sessions, tmp_path):
    opened_cleaner = StorageCleaner.open(
        settings(storage=str(tmp_path), orphan_dry_run=True), sessions
    )

    assert isinstance(opened_cleaner.storage(), LocalStorage)
    assert opened_cleaner.dry_run
    assert opened_cleaner.orphan_age == DAY


def test_storage_that_is_unavailable_at_the_start_is_opened_later(sessions, store, monkeypatch):
    answers = [StorageDenied("no credentials"), StorageDenied("no credentials"), store]

    def opened(*_, **__):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(storage_cleanup, "storage_from_uri", opened)
    opened_cleaner = StorageCleaner.open(settings(), sessions)

    with pytest.raises(StorageDenied):
        opened_cleaner.storage()
    assert opened_cleaner.storage() is opened_cleaner.storage() is store
