"""Lists of jobs, read through the client."""

from __future__ import annotations

from tests.api.build import MODEL, URLS


def test_all_jobs_are_listed_page_by_page_and_by_label(client, sessions):
    ids = [client.submit(MODEL, URLS, labels={"run": str(n % 2)}).id for n in range(5)]

    assert [job.id for job in client.list_all()] == ids[::-1]
    assert [job.id for job in client.list_all(labels={"run": "1"})] == [ids[3], ids[1]]
    assert [job.id for job in client.list(labels={"run": "0"}, limit=1)] == [ids[4]]
