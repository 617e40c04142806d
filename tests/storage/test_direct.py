"""Uploads that clients send to the store themselves: the same for each store."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from storage.base import LinkInvalid, UploadIncomplete
from storage.local.uploads import LocalUploads

HOUR = timedelta(hours=1)
FILE = "file_" + "0" * 32
MEBIBYTE = 1024 * 1024


@pytest.fixture
def content():
    return os.urandom(9 * MEBIBYTE)


@pytest.fixture(params=["local", "gcs", "s3"])
def uploads(request):
    return request.getfixturevalue(request.param).uploads


def instructions(uploads, state):
    return uploads.instructions(FILE, state, ttl=HOUR, now=datetime.now(UTC))


def send(uploads, state, content, *, until=None):
    """Send all bytes, or those before `until`, as a client does."""
    how = instructions(uploads, state)
    part = how.part_bytes
    pieces = [content[start : start + part] for start in range(0, len(content), part)]
    if how.protocol == "parts":
        for number, (url, piece) in enumerate(zip(how.urls, pieces, strict=True), 1):
            if until is None or number * part <= until:
                httpx.put(url, content=piece, trust_env=False).raise_for_status()
        return
    if isinstance(uploads, LocalUploads):
        with uploads.appending(FILE) as file:
            file.write(content[:until])
        return
    for number, piece in enumerate(pieces):
        start = number * part
        if until is None or start + len(piece) <= until:
            span = f"bytes {start}-{start + len(piece) - 1}/{len(content)}"
            sent = httpx.put(
                how.urls[0], content=piece, headers={"Content-Range": span}, trust_env=False
            )
            assert sent.status_code in {200, 308}


def test_what_was_sent_is_read(uploads, content):
    state = uploads.start(FILE, len(content))
    send(uploads, state, content)

    assert b"".join(uploads.read(FILE, state)) == content
    assert b"".join(uploads.read(FILE, state)) == content, "reading it again changes nothing"


@pytest.mark.parametrize("until", [0, 8 * MEBIBYTE])
def test_an_upload_that_is_not_complete_is_not_read(uploads, content, until):
    state = uploads.start(FILE, len(content))
    send(uploads, state, content, until=until)

    with pytest.raises(UploadIncomplete):
        uploads.read(FILE, state)

    send(uploads, state, content if not isinstance(uploads, LocalUploads) else content[until:])
    assert b"".join(uploads.read(FILE, state)) == content


def test_a_dropped_upload_is_gone(uploads, content):
    state = uploads.start(FILE, len(content))
    send(uploads, state, content)

    uploads.drop(FILE, state)
    uploads.drop(FILE, state)

    with pytest.raises(UploadIncomplete):
        uploads.read(FILE, state)


def test_a_dropped_upload_in_parts_frees_its_parts(s3, fake_s3, content):
    state = s3.uploads.start(FILE, len(content))
    send(s3.uploads, state, content, until=8 * MEBIBYTE)
    assert instructions(s3.uploads, state).received_parts == (1,)

    s3.uploads.drop(FILE, state)

    assert not fake_s3.uploads
    assert not fake_s3.objects


def test_a_large_upload_has_larger_parts(s3):
    state = s3.uploads.start(FILE, 20_000 * MEBIBYTE)

    how = instructions(s3.uploads, state)

    assert len(how.urls) <= 1000
    assert len(how.urls) * how.part_bytes >= 20_000 * MEBIBYTE


def test_the_link_of_a_download_is_none_of_an_upload(local):
    now = datetime.now(UTC)
    signed = local.uploads._signer.sign(
        FILE, expires=int((now + HOUR).timestamp()), filename="a.mp4"
    )
    query = dict(httpx.URL(signed).params)

    with pytest.raises(LinkInvalid):
        local.uploads.verify_link(
            FILE,
            expires=int(query["expires"]),
            filename=query["filename"],
            signature=query["signature"],
            now=now,
        )


def test_uploads_of_vanished_rows_are_swept(local):
    state = local.uploads.start(FILE, 3)
    with local.uploads.appending(FILE) as file:
        file.write(b"abc")

    assert local.sweep_partials(older_than=HOUR, now=datetime.now(UTC) + HOUR * 2) == 0
    assert local.sweep_partials(older_than=HOUR, now=datetime.now(UTC) + HOUR * 72) == 1
    with pytest.raises(UploadIncomplete):
        local.uploads.read(FILE, state)


def test_an_upload_of_another_store_is_not_mistaken_for_ours(uploads):
    state = {"store": "other", "size_bytes": 3}

    with pytest.raises(UploadIncomplete, match="begin a new upload"):
        uploads.read(FILE, state)
    with pytest.raises(UploadIncomplete, match="begin a new upload"):
        instructions(uploads, state)
    uploads.drop(FILE, state)
