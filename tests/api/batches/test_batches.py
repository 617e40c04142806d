"""Batches over the API: all rows or none, counted in one request, canceled, retried, downloaded."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from jobs.queue.admission import Limits
from tests.api.batches.build import (
    counts,
    feed,
    jobs_of,
    lines,
    row,
    send,
    sent,
    succeed,
)
from tests.api.build import MODEL, job_body, problem
from tests.jobs.build import submission


def test_rows_are_stored_then_become_jobs(client, sessions):
    response = send(client, lines(row(1), row(2, key="mine", labels={"a": "b"})), label="team:ads")
    batch = response.json()

    assert response.status_code == 202
    assert response.headers["location"].endswith(f"/v1/batches/{batch['id']}")
    assert (batch["status"], batch["rows"], batch["counts"]["waiting"]) == ("active", 2, 2)
    assert feed(sessions) == 2
    first, second = jobs_of(sessions)
    assert first.input["audio"] == "https://example.com/1.wav"
    assert (first.priority, first.labels) == (2, {"team": "ads"})
    assert (second.idempotency_key, second.labels) == ("mine", {"team": "ads", "a": "b"})
    assert counts(client, batch) == {"queued": 2}


def test_the_same_key_is_the_same_batch_and_another_body_is_refused(client, sessions):
    first = sent(client, row(1), key="one")
    feed(sessions)
    again = send(client, lines(row(1)), key="one")

    assert again.json()["id"] == first["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert feed(sessions) == 0
    assert len(jobs_of(sessions)) == 1
    problem(send(client, lines(row(2)), key="one"), 422, "idempotency_mismatch")
    problem(send(client, lines(row(1)), key="one", priority="normal"), 422, "idempotency_mismatch")


def test_a_row_with_the_key_of_a_job_is_that_job(client, sessions):
    earlier = client.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "mine"}).json()
    batch = sent(client, job_body() | {"key": "mine", "priority": "normal"})
    feed(sessions)

    [line] = client.get(f"/v1/batches/{batch['id']}/results").text.splitlines()
    assert json.loads(line)["job"] == earlier["id"]


def test_a_row_with_the_key_of_another_body_fails_alone(client, sessions):
    client.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "mine"})
    batch = sent(client, row(1, key="mine"), row(2))
    feed(sessions)

    shown = client.get(f"/v1/batches/{batch['id']}").json()
    assert shown["failed_by_code"] == {"idempotency_mismatch": 1}
    assert shown["counts"]["queued"] == 1


def test_all_wrong_rows_are_told_at_once_and_none_is_submitted(client, sessions):
    content = "\n".join(
        [
            json.dumps(row(1)),
            json.dumps(row(2) | {"input": {"image": 5, "fps": 0}}),
            "",
            "{nonsense",
            json.dumps(job_body(audio="http://10.0.0.1/a.wav")),
            json.dumps(row(6) | {"model": "none"}),
            json.dumps(row(7, key="a")),
            json.dumps(row(8, key="a")),
            json.dumps(job_body(audio="data:audio/wav;base64,AAAA")),
            "[]",
        ]
    )
    answer = problem(send(client, content), 422, "invalid_rows")

    assert [(each["row"], each["code"]) for each in answer["rows"]] == [
        (2, "invalid_input"),
        (4, "invalid_json"),
        (5, "url_not_allowed"),
        (6, "unknown_model"),
        (8, "invalid_input"),
        (9, "invalid_input"),
        (10, "invalid_input"),
    ]
    wrong = {error["pointer"] for error in answer["rows"][0]["errors"]}
    assert {"/input/image", "/input/audio", "/input/fps"} <= wrong
    assert "/2/input/image" in [error["pointer"] for error in answer["errors"]]
    assert "7 of the rows are wrong" in answer["detail"]
    assert client.get("/v1/batches").json()["items"] == []


def test_a_dry_run_checks_and_stores_nothing(client, sessions):
    assert send(client, lines(row(1)), dry_run=True).status_code == 204
    problem(send(client, lines({"model": MODEL}), dry_run=True), 422, "invalid_rows")
    assert client.get("/v1/batches").json()["items"] == []


def test_csv_by_the_rules_of_backfill(client, sessions):
    table = (
        "\ufeffsep=;\r\nimage;audio;fps;key;who;note\r\n"
        "https://example.com/f.jpg;https://example.com/a.wav;;k1;ann;x\r\n"
        '"https://example.com/f.jpg";https://example.com/b.wav;30;;;\r\n'
    )
    options = {"model": MODEL, "label_column": "who", "ignore": "note"}
    response = send(client, table.encode(), kind="text/csv", **options)
    feed(sessions)

    assert response.status_code == 202, response.text
    first, second = jobs_of(sessions)
    assert (first.labels, first.idempotency_key) == ({"who": "ann"}, "k1")
    assert (second.labels, second.input["fps"]) == ({}, 30)


@pytest.mark.parametrize(
    ("table", "query", "message"),
    [
        ("image,audio\n", {}, "is required for CSV"),
        ("image,sound\na,b\n", {"model": MODEL}, "'sound' is not an input"),
        ("image,image\na,b\n", {"model": MODEL}, "each name once"),
        ("image,audio\n", {"model": MODEL}, "has no rows"),
        (b"image,aud\xff\n", {"model": MODEL}, "line 1 is not UTF-8"),
        (b"PK\x03\x04", {"model": MODEL}, 'save the spreadsheet as "CSV UTF-8"'),
        (b"\xff\xfei", {"model": MODEL}, "is not valid UTF-16"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(client, table, query, message):
    answer = problem(send(client, table, kind="text/csv", **query), 422, "invalid_input")
    assert message in answer["detail"]


def test_a_line_with_a_wrong_number_of_cells_is_a_wrong_row(client):
    answer = send(client, "image,audio\na\n", kind="text/csv", model=MODEL).json()
    assert answer["rows"] == [
        {
            "row": 2,
            "code": "invalid_input",
            "detail": "has 1 cells, line 1 has 2.",
            "errors": [{"pointer": "", "message": "has 1 cells, line 1 has 2"}],
        }
    ]


def test_what_is_no_batch_is_refused(client):
    problem(send(client, "{}", kind="application/json"), 415, "unsupported_media_type")
    problem(send(client, ""), 422, "invalid_input")
    problem(send(client, lines(row(1)), ignore="a"), 422, "invalid_input")
    problem(send(client, lines(row(1)), key="\x7f"), 422, "invalid_idempotency_key")


def test_more_rows_than_allowed_are_refused(client):
    problem(send(client, "\n".join(["{}"] * 10_001)), 422, "invalid_input")


def test_rows_wait_while_their_account_has_no_room(client, sessions):
    batch = sent(client, *[row(number) for number in range(6)])
    limits = Limits(8, 10**9, timedelta(days=9))

    assert feed(sessions, limits) == 4
    assert feed(sessions, limits) == 0
    assert counts(client, batch) == {"waiting": 2, "queued": 4}
    succeed(sessions)
    assert feed(sessions, limits) == 1
    assert counts(client, batch) == {"waiting": 1, "queued": 4, "succeeded": 1}


def test_rows_wait_while_their_queue_has_no_room(client, sessions):
    batch = sent(client, *[row(number) for number in range(3)])

    assert feed(sessions, Limits(1000, 4, timedelta(days=9))) == 2
    assert counts(client, batch) == {"waiting": 1, "queued": 2}


def test_a_batch_of_one_account_does_not_hold_up_that_of_another(client, sessions):
    limits = Limits(2, 10**9, timedelta(days=9))
    sent(client, row(1), row(2))
    feed(sessions, limits)
    [(batch_id, rows)] = _copied_to_another_account(sessions)

    assert feed(sessions, limits) == 1
    assert {job.account for job in jobs_of(sessions)} == {"local", "other"}
    assert client.get(f"/v1/batches/{batch_id}").status_code == 404
    assert rows == 1


def _copied_to_another_account(sessions):
    from jobs.batches import service
    from jobs.batches.rows import NewRow

    new = service.NewBatch("other", [NewRow(1, submission(account="other"))], "0")
    with sessions.begin() as session:
        batch, _ = service.store(session, new)
        return [(batch.id, batch.rows)]


def test_a_batch_of_another_account_is_not_found(client, sessions):
    [(batch_id, _)] = _copied_to_another_account(sessions)

    for method, path in [
        ("GET", ""), ("GET", "/results"), ("GET", "/archive"), ("POST", "/cancel"),
        ("POST", "/retry"),
    ]:  # fmt: skip
        for wrong in (batch_id, f"batch_{uuid4().hex}", "x", "job_" + "0" * 32):
            problem(client.request(method, f"/v1/batches/{wrong}{path}"), 404, "batch_not_found")
    assert client.get("/v1/batches").json()["items"] == []
