"""Lists of jobs, page by page."""

from __future__ import annotations

import base64

import pytest

from tests.api.build import pointers, problem
from tests.api.ending import cancel
from tests.jobs.build import submitted


def listed(client, **query):
    response = client.get("/v1/jobs", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def ids(page):
    return [job["id"] for job in page["items"]]


def test_a_list_has_only_ones_own_jobs_newest_first(client, sessions):
    mine = [submitted(sessions) for _ in range(3)]
    submitted(sessions, account="other")

    page = listed(client)

    assert ids(page) == mine[::-1]
    assert page["next_cursor"] is None


def test_pages_follow_each_other_without_gaps(client, sessions):
    mine = [submitted(sessions) for _ in range(7)]
    seen, cursor = [], None

    while True:
        page = listed(client, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += ids(page)
        submitted(sessions)  # newer jobs do not shift the pages
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == mine[::-1]


def test_a_full_last_page_has_no_next(client, sessions):
    mine = [submitted(sessions) for _ in range(3)]

    page = listed(client, limit=3)

    assert len(page["items"]) == len(mine)
    assert page["next_cursor"] is None


def test_a_list_can_be_filtered(client, sessions):
    plain = submitted(sessions)
    other = submitted(sessions, model="other")
    marked = submitted(sessions, labels={"shot": "7a:2", "who": "me"})
    cancel(sessions, plain)

    assert ids(listed(client, status="canceled")) == [plain]
    assert ids(listed(client, status="queued")) == [marked, other]
    assert ids(listed(client, model="other")) == [other]
    assert ids(listed(client, model="none")) == []
    assert ids(listed(client, label="shot:7a:2")) == [marked]
    assert ids(listed(client, label=["shot:7a:2", "who:me"])) == [marked]
    assert ids(listed(client, label=["shot:7a:2", "who:you"])) == []
    assert ids(listed(client, label="who:me", status="canceled")) == []


BAD_QUERIES = [
    ({"limit": 1_000_000}, "/query/limit"),
    ({"limit": 0}, "/query/limit"),
    ({"limit": "ten"}, "/query/limit"),
    ({"status": "done"}, "/query/status"),
    ({"order_by": "password"}, "/query/order_by"),
    ({"model": "m" * 101}, "/query/model"),
    ({"model": "a\0"}, "/query/model"),
    ({"label": "shot"}, "/query/label/0"),
    ({"label": "shot:\0"}, "/query/label/0"),
    ({"label": ["a:b", "\0:a"]}, "/query/label/1"),
]


@pytest.mark.parametrize(("query", "where"), BAD_QUERIES)
def test_an_invalid_filter_of_a_list_is_rejected(client, query, where):
    answer = problem(client.get("/v1/jobs", params=query), 422, "invalid_input")

    assert pointers(answer) == [where]


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORGED = {
    "words": "hello",
    "empty": "",
    "not ASCII": "é",
    "padding": "=" * 5,
    "NUL": "\0",
    "SQL": encoded("' OR 1=1 --"),
    "file": encoded("file_" + "0" * 32),
    "bytes": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    "long": "A" * 10_000,
}


@pytest.mark.parametrize("cursor", FORGED.values(), ids=FORGED)
def test_a_forged_cursor_is_rejected(client, cursor):
    response = client.get("/v1/jobs", params={"cursor": cursor})

    assert pointers(problem(response, 422, "invalid_cursor")) == ["/query/cursor"]


def test_a_cursor_of_another_account_shows_none_of_its_jobs(client, sessions):
    mine = submitted(sessions)
    submitted(sessions, account="other")
    last = submitted(sessions, account="other")

    assert ids(listed(client, cursor=encoded(last))) == [mine]
