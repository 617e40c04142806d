"""A dry run is checked as a submission, and leaves nothing behind."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from jobs.tables import Job
from tests.api.build import MODEL, URLS, job_body, png, pointers, wav


def posted(client, kind, files=None, **fields):
    if kind == "json":
        return client.post("/v1/jobs", json=job_body(**fields) | {"dry_run": True})
    texts = {"model": MODEL, "dry_run": "true"} | {name: str(text) for name, text in fields.items()}
    parts = {name: (None, text) for name, text in texts.items()}
    return client.post("/v1/jobs", files=parts | (files or URL_PARTS))


URL_PARTS = {name: (None, url) for name, url in URLS.items()}


def jobs(sessions):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_good_submission_creates_no_job(client, sessions, kind):
    response = posted(client, kind)

    assert (response.status_code, response.content) == (204, b"")
    assert jobs(sessions) == 0


@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_bad_submission_is_refused_as_always(client, sessions, kind):
    response = posted(client, kind, fps=0)

    assert response.status_code == 422
    assert pointers(response.json()) == ["/input/fps"]


def test_files_are_checked_and_not_kept(client, sessions, stored):
    good = {"image": ("f.png", png()), "audio": ("v.wav", wav())}

    fine = posted(client, "form", good)
    bad = posted(client, "form", good | {"image": ("f.png", b"no picture")})

    assert fine.status_code == 204
    assert bad.status_code == 422
    assert "image" in bad.json()["detail"]
    assert stored() == []
