"""What becomes of the rows of a batch: canceled, retried, downloaded."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

from sqlalchemy import func, select

from jobs.batches.tables import BatchRow
from jobs.queue.admission import Limits
from jobs.tables import EventRow, WebhookRow
from storage.local.store import LocalStorage
from tests.api.batches.build import (
    LINES,
    counts,
    fail,
    feed,
    jobs_of,
    row,
    sent,
    succeed,
)
from tests.api.build import problem
from tests.jobs.build import claim_next, submission, submit


def test_cancel_ends_what_has_not_ended(client, sessions):
    webhook = {"url": "https://example.com/hook"}
    batch = sent(client, *[row(number, webhook=webhook) for number in range(8)])
    feed(sessions, Limits(12, 10**9, timedelta(days=9)))
    done = succeed(sessions)
    running = claim_next(sessions)

    shown = client.post(f"/v1/batches/{batch['id']}/cancel").json()

    assert {name: rows for name, rows in shown["counts"].items() if rows} == {
        "running": 1, "succeeded": 1, "canceled": 6,
    }  # fmt: skip
    assert shown["canceled_at"]
    assert feed(sessions) == 0
    states = {job.id: job for job in jobs_of(sessions)}
    assert states[done].state == "succeeded"
    assert states[running.job_id].cancel_requested_at is not None
    with sessions.begin() as session:
        kinds = dict(
            session.execute(select(EventRow.kind, func.count()).group_by(EventRow.kind)).all()
        )
        hooks = session.scalar(select(func.count()).where(WebhookRow.state == "canceled"))
    assert (kinds["canceled"], kinds["cancel_requested"], hooks) == (4, 1, 4)
    assert client.post(f"/v1/batches/{batch['id']}/cancel").status_code == 202


def test_failed_rows_are_retried_once_each(client, sessions):
    batch = sent(client, row(1, key="mine"), row(2))
    feed(sessions)
    failed = fail(sessions)
    shown = client.get(f"/v1/batches/{batch['id']}").json()
    assert shown["failed_by_code"] == {"fetch_failed": 1}

    for _ in range(2):
        shown = client.post(f"/v1/batches/{batch['id']}/retry").json()
        assert (shown["counts"]["waiting"], shown["counts"]["failed"]) == (1, 0)
    assert feed(sessions) == 1
    assert feed(sessions) == 0

    jobs = jobs_of(sessions)
    assert len(jobs) == 3
    assert jobs[2].input == next(job for job in jobs if job.id == failed).input
    assert [job.retry_of for job in jobs] == [None, None, failed]
    assert counts(client, batch) == {"queued": 2}
    [first, _] = map(json.loads, client.get(f"/v1/batches/{batch['id']}/results").text.splitlines())
    assert (first["job"], first["tries"], first["key"]) == (jobs[2].id, 1, "mine")


def test_results_as_lines(client, sessions):
    batch = sent(client, row(1, key="shot 1"), row(2), row(3))
    feed(sessions)
    job_id = succeed(sessions)
    fail(sessions)

    response = client.get(f"/v1/batches/{batch['id']}/results")
    rows = [json.loads(line) for line in response.text.splitlines()]

    assert response.headers["content-type"] == LINES
    assert [each["status"] for each in rows] == ["succeeded", "failed", "queued"]
    assert rows[0]["result"]["url"].endswith(f"/v1/jobs/{job_id}/result")
    assert rows[1]["error"]["code"] == "fetch_failed"
    only = client.get(f"/v1/batches/{batch['id']}/results", params={"status": "failed"})
    assert only.text == response.text.splitlines(keepends=True)[1]


def test_results_as_an_archive(client, sessions, store, tmp_path):
    batch = sent(client, row(1, key="shot 1/../a"), row(2), row(3), row(4))
    feed(sessions)
    voice = {"name": "voice.wav", "key": "results/v", "content_type": "a/b", "size_bytes": 5}
    voice["sha256"] = "0" * 64
    succeed(sessions, "results/zip/1.mp4", files=[voice | {"key": "results/zip/v"}])
    succeed(sessions, "results/zip/2.png")
    succeed(sessions, "results/zip/gone.mp4")
    objects = LocalStorage(store, public_url="http://x", secret=b"x")
    for key in ("results/zip/1.mp4", "results/zip/v", "results/zip/2.png"):
        content = tmp_path / "content"
        content.write_bytes(key.encode() * 50_000)
        objects.put(key, content, content_type="video/mp4")

    response = client.get(f"/v1/batches/{batch['id']}/archive")

    assert f'filename="{batch["id"]}.zip"' in response.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "00001-shot_1_.._a.mp4", "00001-shot_1_.._a-voice.wav", "00002.png", "results.jsonl",
        ]  # fmt: skip
        assert archive.read("00002.png") == b"results/zip/2.png" * 50_000
        rows = [json.loads(line) for line in archive.read("results.jsonl").splitlines()]
    assert [each["file"] for each in rows] == ["00001-shot_1_.._a.mp4", "00002.png", None, None]
    for key in ("results/zip/1.mp4", "results/zip/v", "results/zip/2.png"):
        objects.delete(key)


def test_a_deleted_job_is_not_submitted_again(client, sessions):
    batch = sent(client, row(1))
    feed(sessions)
    job_id = succeed(sessions)
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204

    client.post(f"/v1/batches/{batch['id']}/retry")
    assert feed(sessions) == 0
    assert counts(client, batch) == {"deleted": 1}


def test_the_list_has_pages(client, sessions):
    ids = [sent(client, row(number))["id"] for number in range(3)]

    first = client.get("/v1/batches", params={"limit": 2}).json()
    second = client.get("/v1/batches", params={"cursor": first["next_cursor"]}).json()

    assert [each["id"] for each in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    problem(client.get("/v1/batches", params={"cursor": "x"}), 422, "invalid_cursor")


def test_the_estimate_counts_all_jobs_before_the_last_row(client, sessions):
    submit(sessions, submission())
    succeed(sessions)
    batch = sent(client, row(1), row(2))
    feed(sessions)

    shown = client.get(f"/v1/batches/{batch['id']}").json()
    assert shown["eta_seconds"]["p50"] >= 0
    client.post(f"/v1/batches/{batch['id']}/cancel")
    assert client.get(f"/v1/batches/{batch['id']}").json()["eta_seconds"] is None


def test_rows_of_a_deleted_batch_go_with_it(client, sessions):
    batch = sent(client, row(1))
    with sessions.begin() as session:
        from jobs.batches.tables import Batch

        session.delete(session.get(Batch, batch["id"]))
    with sessions.begin() as session:
        assert session.scalars(select(BatchRow)).all() == []
