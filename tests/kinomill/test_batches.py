"""Batches and deliveries of both clients, before the real API."""

from __future__ import annotations

import asyncio
import zipfile

import pytest

from kinomill import AsyncClient, InvalidInput, NotFound
from tests.api.batches.build import fail, feed
from tests.api.build import MODEL, URLS
from tests.jobs.build import claim_next

ROWS = [{"input": URLS}, {"input": URLS, "key": "mine", "labels": {"who": "ann"}}]
HOOK = "https://example.com/hook"


def test_a_batch_is_submitted_once_followed_and_canceled(client, sessions):
    batch = client.batches.submit(ROWS, model=MODEL, labels={"team": "ads"}, idempotency_key="k")
    again = client.batches.submit(ROWS, model=MODEL, labels={"team": "ads"}, idempotency_key="k")

    assert again.id == batch.id
    assert (batch.rows, batch.status, batch.counts["waiting"]) == (2, "active", 2)
    feed(sessions)
    assert client.batches.get(batch).counts["queued"] == 2
    [job] = client.list(labels={"who": "ann", "team": "ads"})
    assert job.priority == "background"
    assert [each.id for each in client.batches.list()] == [batch.id]
    assert client.batches.cancel(batch).counts["canceled"] == 2
    seen = []
    assert client.batches.wait(batch.id, on_update=seen.append).finished == 2
    assert [each.status for each in seen] == ["ended"]


def test_failed_rows_are_told_and_retried(client, sessions):
    batch = client.batches.submit(ROWS, model=MODEL)
    feed(sessions)
    fail(sessions)

    assert client.batches.get(batch).failed_by_code == {"fetch_failed": 1}
    [row] = client.batches.results(batch, status="failed")
    assert (row.row, row.error.code) == (1, "fetch_failed")
    assert client.batches.retry(batch).counts["waiting"] == 1


def test_wrong_rows_are_told_by_number(client):
    with pytest.raises(InvalidInput) as refused:
        client.batches.submit([None, {"input": URLS}, {"input": {"fps": 0}}], model=MODEL)

    assert refused.value.code == "invalid_rows"
    assert [row["row"] for row in refused.value.rows] == [3]


def test_a_row_may_hold_a_character_at_which_python_splits_lines(client, sessions):
    batch = client.batches.submit(ROWS[:1], model=MODEL)
    feed(sessions)
    fail(sessions, detail="a\u2028b\x85c")

    [row] = client.batches.results(batch)

    assert row.error.detail == "a\u2028b\x85c"


def test_the_archive_is_saved(client, sessions, tmp_path):
    batch = client.batches.submit(ROWS, model=MODEL)

    path = client.batches.download(batch, tmp_path)

    assert path == tmp_path / f"{batch.id}.zip"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["results.jsonl"]


def test_deliveries_are_listed_and_sent_again(client, sessions):
    job = client.submit(MODEL, URLS, webhook=HOOK)
    client.cancel(job)

    [delivery] = client.deliveries.of_job(job)
    assert (delivery.event, delivery.status, delivery.url) == ("job.canceled", "pending", HOOK)
    assert [each.id for each in client.deliveries.list(status="pending")] == [delivery.id]
    assert client.deliveries.redeliver(delivery).id == delivery.id
    assert client.deliveries.redeliver_failed(HOOK) == 0
    with pytest.raises(NotFound):
        client.deliveries.redeliver("msg_1")


def test_the_async_client_does_the_same(server, sessions):
    async def run():
        async with AsyncClient(server) as client:
            batch = await client.batches.submit(ROWS, model=MODEL)
            await client.batches.cancel(batch)
            ended = await client.batches.wait(batch)
            return ended.counts["canceled"], (await client.deliveries.list()).items

    assert asyncio.run(run()) == (2, ())
    assert claim_next(sessions) is None
