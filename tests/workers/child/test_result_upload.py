"""The video and the files of an attempt: all of them in object storage, or none."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from jobs import previews
from jobs.states import Event, Outcome, State
from models.file_type import JPEG as JPEG_FILE
from models.file_type import MOV, MP4, PNG, WEBM, WEBP, ZIP, FileType
from models.spec import RunResult, Stage
from storage.base import StorageUnavailable
from tests.jobs import build
from tests.waiting import until
from tests.workers import script
from tests.workers.job_helpers import StorageWrapper, lose_lease, stored, submit
from workers.child.results.result_upload import check_result
from workers.child.run_job import run_job

JPEG = b"\xff\xd8\xff\xe0 a picture"
NAMES = ("voice.wav", "frames.zip")


def keys(sessions, job_id):
    stem = build.attempt(sessions, job_id).key.removesuffix(".mp4")
    return sorted([f"{stem}.mp4", *(f"{stem}/{name}" for name in NAMES)])


def test_files_are_stored_beside_the_video_and_listed_in_the_result(context, sessions, storage):
    job_id = submit(sessions, files=NAMES)

    assert run_job("script", context) == Outcome.SUCCEEDED

    assert stored(storage) == keys(sessions, job_id)
    job, content = build.job(sessions, job_id), script.FILE + b"0"
    voice, frames = job.result["files"]
    assert voice == {
        "name": "voice.wav",
        "key": job.result["key"].replace(".mp4", "/voice.wav"),
        "content_type": "audio/wav",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert frames["content_type"] == "application/octet-stream"
    assert b"".join(storage.open(voice["key"])) == content
    marked = b"".join(storage.open(job.result["key"]))
    assert marked.startswith(script.VIDEO)
    assert b"digitalsourcetype/trainedAlgorithmicMedia" in marked
    assert job.result["size_bytes"] == len(marked)


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_lease_lost_during_the_upload_leaves_no_file(context, sessions, storage, when):
    class Losing(StorageWrapper):
        puts = 0

        def put(self, key, path, *, content_type):
            found = self._storage.put(key, path, content_type=content_type)
            self.puts += 1
            if self.puts == when:
                lose_lease(sessions, job_id)
            return found

    job_id = submit(sessions, files=NAMES)

    assert run_job("script", replace(context, storage=Losing(storage))) == Outcome.LOST

    assert stored(storage) == []
    assert Event.PUBLISHED not in build.events(sessions, job_id)


@pytest.mark.parametrize("kept", [1, 2])
def test_a_storage_outage_during_the_upload_leaves_no_file(context, sessions, storage, kept):
    class Failing(StorageWrapper):
        def put(self, key, path, *, content_type):
            if len(stored(storage)) == kept:
                raise StorageUnavailable("503")
            return self._storage.put(key, path, content_type=content_type)

    job_id = submit(sessions, files=NAMES)

    assert run_job("script", replace(context, storage=Failing(storage))) == Outcome.RETRIED

    assert stored(storage) == []
    assert build.attempt(sessions, job_id).error["code"] == "storage_unavailable"


def test_a_failed_cleanup_still_reports_the_error_of_the_upload(context, sessions, storage):
    class Gone(StorageWrapper):
        def put(self, key, path, *, content_type):
            if stored(storage):
                raise StorageUnavailable("503 at the upload")
            return self._storage.put(key, path, content_type=content_type)

        def delete(self, key):
            raise StorageUnavailable("503 at the deletion")

    job_id = submit(sessions, files=NAMES)

    assert run_job("script", replace(context, storage=Gone(storage))) == Outcome.RETRIED

    assert build.attempt(sessions, job_id).error["code"] == "storage_unavailable"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "Voice.wav", "a b", "a\n", ".hidden", "x" * 65]
)
def test_an_invalid_file_name_fails_the_job_and_stores_nothing(context, sessions, storage, name):
    job_id = submit(sessions, files=(name,))

    assert run_job("script", context) == Outcome.FAILED

    assert build.job(sessions, job_id).error["code"] == "internal_error"
    assert stored(storage) == []


def test_a_running_job_shows_its_preview_and_notes(context, sessions, act):
    def show(report):
        report(Stage.GENERATING, 1, 4, preview=lambda: JPEG, notes={"width": 832})
        until(lambda: build.job(sessions, job_id).notes, what="the notes")
        shown.append(until(preview, what="the preview").jpeg)

    def preview():
        with sessions() as session:
            return previews.latest(session, build.job(sessions, job_id))

    shown = []
    job_id = submit(sessions, act(show))

    assert run_job("script", context) == Outcome.SUCCEEDED

    assert shown == [JPEG]
    assert preview() is None
    assert build.job(sessions, job_id).notes == {"width": 832}


def test_a_preview_that_raises_does_not_fail_the_job(context, sessions, act):
    def crash():
        raise RuntimeError("no picture")

    submit(sessions, act(lambda report: report(Stage.GENERATING, 1, 4, preview=crash)))

    with capture_logs() as logs:
        assert run_job("script", context) == Outcome.SUCCEEDED

    assert [entry["event"] for entry in logs].count("preview dropped") == 1


@pytest.mark.parametrize(
    ("end", "outcome", "state"),
    [
        (None, Outcome.SUCCEEDED, State.SUCCEEDED),
        ("reject", Outcome.FAILED, State.FAILED),
        ("fill_disk", Outcome.RETRIED, State.QUEUED),
    ],
)
def test_notes_are_stored_when_the_attempt_ends(context, sessions, end, outcome, state):
    job_id = submit(sessions, "report_notes", *filter(None, [end]))

    assert run_job("script", context) == outcome

    job = build.job(sessions, job_id)
    assert (job.state, job.notes) == (state, {"width": 832, "frames": 81})
    assert job.result is None or job.result["notes"] == {"inputs": []}


def test_a_lost_attempt_writes_no_notes_to_the_next(context, sessions, act):
    job_id = submit(sessions, "report_notes", act(lambda _: lose_lease(sessions, job_id)), "reject")

    assert run_job("script", context) == Outcome.LOST

    assert build.job(sessions, job_id).notes == {}


def test_a_picture_is_stored_as_what_it_is(context, sessions, storage):
    job_id = submit(sessions, picture=True)

    assert run_job("script", context) == Outcome.SUCCEEDED

    result = build.job(sessions, job_id).result
    assert result["key"].endswith(".png")
    assert result["content_type"] == storage.stat(result["key"]).content_type == "image/png"
    assert (result["width"], result["height"]) == (3, 2)
    timing = ("fps", "frames", "duration_seconds", "has_audio")
    assert [result[name] for name in timing] == [None] * 4


HEADS = {
    PNG: b"\x89PNG\r\n\x1a\n",
    JPEG_FILE: b"\xff\xd8\xff\xe0",
    WEBP: b"RIFF\x24\0\0\0WEBPVP8L",
    MP4: b"\0\0\0\x18ftypisom",
    MOV: b"\0\0\0\x14ftypqt  ",
    WEBM: b"\x1a\x45\xdf\xa3",
    ZIP: b"PK\x03\x04",
}


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.extension)
def test_each_type_of_result_is_known_by_its_first_bytes(tmp_path, kind):
    path = tmp_path / f"result{kind.suffix}"
    path.write_bytes(HEADS[kind])
    result = RunResult(path, width=1, height=1, encoder="none", file_type=kind)

    check_result(result)
    path.write_bytes(b"<html>" + HEADS[kind])

    with pytest.raises(ValueError, match="is not"):
        check_result(result)


@pytest.mark.parametrize(
    ("name", "content", "changes", "fault"),
    [
        ("a.jpg", HEADS[PNG], {}, "is not named as image/png"),
        ("a.png", b"", {}, "wrote no a.png"),
        ("a.png", None, {}, "wrote no a.png"),
        ("a.png", HEADS[PNG], {"width": 0}, "has no size"),
        ("a.png", HEADS[PNG], {"frames": 3}, "only some of fps"),
        ("a.png", HEADS[PNG], {"file_type": FileType("image/png", "../png")}, "no valid type"),
        ("a.png", HEADS[PNG], {"file_type": FileType("image/png\r\nX: 1", "png")}, "no valid type"),
    ],
)
def test_a_result_that_is_not_what_the_runner_says_is_refused(
    tmp_path, name, content, changes, fault
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = RunResult(path, width=1, height=1, encoder="none", file_type=PNG)

    with pytest.raises(ValueError, match=fault):
        check_result(replace(result, **changes))
