"""Faults of a bucket: each is scripted in the fake and served over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from google.auth.credentials import Credentials
from google.auth.transport import requests
from google.cloud import storage as google_storage

from storage.base import (
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageUnavailable,
    UploadCorrupted,
)
from storage.factory import storage_from_uri
from storage.gcs.access import default_client
from storage.gcs.store import GcsStorage
from storage.retry import RetryConfig
from tests.storage.service_account import ServiceAccount

MEBIBYTE = 1024 * 1024
SHORT_RETRY = RetryConfig(deadline_seconds=0.2, initial_delay_seconds=0.01, max_delay_seconds=0.05)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def large(tmp_path):
    """Three chunks long."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(17 * MEBIBYTE))
    return path


@pytest.fixture(params=["small", "large"])
def source(request):
    return request.getfixturevalue(request.param)


def put(gcs, path, key="results/1.mp4"):
    return gcs.put(key, path, content_type="video/mp4")


def holds(gcs, path, key="results/1.mp4"):
    return b"".join(gcs.open(key)) == path.read_bytes()


@pytest.mark.parametrize("fault", [503, 429, 408, 500, "cut", "lose_reply"])
@pytest.mark.parametrize("operation", ["multipart", "start", "chunk"])
def test_an_upload_survives_transient_faults(gcs, fake, small, large, operation, fault):
    source = small if operation == "multipart" else large
    fake.fail(operation, fault, fault, fault)

    put(gcs, source)

    assert holds(gcs, source)
    assert len(fake.bucket.objects) == 1
    assert not fake.faults[operation]


@pytest.mark.parametrize("operation", ["token", "stat", "media", "list", "delete"])
def test_every_other_request_survives_transient_faults(gcs, fake, small, operation):
    fake.fail(operation, 503, "cut", 429)

    put(gcs, small)
    assert holds(gcs, small)
    assert [stored.key for stored in gcs.list_objects("")] == ["results/1.mp4"]
    gcs.delete("results/1.mp4")

    assert not fake.bucket.objects
    assert not fake.faults[operation]


def test_a_bucket_that_keeps_failing_is_unavailable(client, fake, source):
    gcs = GcsStorage("test-bucket", "", client, retry=SHORT_RETRY)
    for operation in ("multipart", "start"):
        fake.fail(operation, *[503] * 200)

    with pytest.raises(StorageUnavailable) as caught:
        put(gcs, source)

    assert caught.value.retryable


def test_a_refused_connection_is_unavailable(account, small):
    client = google_storage.Client(
        project="p",
        credentials=account.credentials("http://127.0.0.1:9"),
        client_options={"api_endpoint": "http://127.0.0.1:9"},
    )

    with pytest.raises(StorageUnavailable):
        put(GcsStorage("test-bucket", "", client, retry=SHORT_RETRY), small)

    client.close()


@pytest.mark.parametrize("fault", ["truncate", "flip", "wrong_crc"])
def test_a_corrupted_upload_is_detected_and_deleted(gcs, fake, source, fault):
    fake.fail("multipart", fault)
    fake.fail("chunk", *[None] * 2, fault)

    with pytest.raises(UploadCorrupted) as caught:
        put(gcs, source)

    assert caught.value.retryable
    assert not fake.bucket.objects
    put(gcs, source)
    assert holds(gcs, source)


def test_the_bucket_rejects_bytes_with_another_checksum(gcs, fake, source, monkeypatch):
    monkeypatch.setattr(
        "storage.bucket.checksum_file", lambda _: WrongChecksum(source.stat().st_size)
    )

    with pytest.raises(UploadCorrupted):
        put(gcs, source)

    assert not fake.bucket.objects


class WrongChecksum:
    crc32c = "AAAAAA=="

    def __init__(self, size_bytes):
        self.size_bytes = size_bytes


def test_an_upload_resumes_where_the_connection_broke(gcs, fake, large):
    fake.fail("chunk", None, "cut_half")

    put(gcs, large)

    assert holds(gcs, large)
    assert fake.calls.count("start") == 1
    assert fake.calls.count("chunk") == 4


@pytest.mark.parametrize(
    "faults",
    [["forget"], [None, "forget"], [None, None, "finish_and_forget"], [None, "keep_half"]],
)
def test_a_lost_upload_session_is_restarted(gcs, fake, large, faults):
    fake.fail("chunk", *faults)

    put(gcs, large)

    assert holds(gcs, large)
    assert fake.calls.count("start") == 2
    assert len(fake.bucket.objects) == 1


def test_a_bucket_that_loses_every_session_is_unavailable(gcs, fake, large):
    fake.fail("chunk", *["forget"] * 3)

    with pytest.raises(StorageUnavailable):
        put(gcs, large)


def test_the_object_of_another_writer_is_not_mistaken_for_ours(gcs, fake, source):
    put(gcs, source)
    first = fake.bucket.objects["media/results/1.mp4"].generation
    fake.fail("multipart", "lose_reply")
    fake.fail("start", "lose_reply")

    with pytest.raises(ObjectExists):
        put(gcs, source)

    assert fake.bucket.objects["media/results/1.mp4"].generation == first


def test_a_broken_download_resumes(gcs, fake, source, tmp_path):
    put(gcs, source)
    fake.fail("media", "cut_half", "cut_half", 503)

    gcs.download("results/1.mp4", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_a_corrupted_download_leaves_no_file(gcs, fake, source, tmp_path):
    put(gcs, source)
    fake.fail("media", "flip")

    with pytest.raises(ObjectCorrupted):
        gcs.download("results/1.mp4", tmp_path / "copy")

    assert [path.name for path in tmp_path.glob("*copy*")] == []


def test_an_object_deleted_while_reading_raises_not_found(gcs, small):
    put(gcs, small)
    pieces = gcs.open("results/1.mp4")
    gcs.delete("results/1.mp4")

    with pytest.raises(ObjectNotFound):
        next(pieces)


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_credentials_raise_storage_denied(gcs, fake, small, status):
    fake.fail("multipart", *[status] * 5)

    with pytest.raises(StorageDenied):
        put(gcs, small)


def test_a_rejected_token_raises_storage_denied(gcs, fake, small):
    fake.fail("token", *[403] * 9)

    with pytest.raises(StorageDenied):
        put(gcs, small)


def test_a_missing_bucket_is_named_in_the_error(client, small):
    with pytest.raises(StorageError, match="bucket nowhere does not exist"):
        put(GcsStorage("nowhere", "", client, retry=SHORT_RETRY), small)


def test_any_other_status_is_a_storage_error(gcs, fake, small):
    fake.fail("multipart", 418)

    with pytest.raises(StorageError) as caught:
        put(gcs, small)

    assert type(caught.value) is StorageError


def test_missing_credentials_name_the_variable_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    with pytest.raises(StorageDenied, match="set GOOGLE_APPLICATION_CREDENTIALS"):
        default_client()


def test_a_key_file_configures_the_client(monkeypatch, tmp_path, account):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account.fields("http://127.0.0.1:9")))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    client = default_client()

    assert client._credentials.service_account_email == account.email
    client.close()


def test_a_gs_uri_names_a_bucket(monkeypatch, tmp_path, account):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account.fields("http://127.0.0.1:9")))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    gcs = storage_from_uri("gs://films/pre/fix/", public_url="", secret=b"")

    link = gcs.signed_url("a", ttl=timedelta(hours=1), now=datetime.now(UTC), filename="a.mp4")
    assert link.startswith("https://storage.googleapis.com/films/pre/fix/a?")
    gcs._client.close()


def test_the_link_sets_the_download_name(gcs, fake, small):
    put(gcs, small)
    link = gcs.signed_url(
        "results/1.mp4", ttl=timedelta(minutes=5), now=datetime.now(UTC), filename="mein Film é.mp4"
    )

    response = httpx.get(link, headers={"Range": "bytes=2-4"}, trust_env=False)

    assert (response.status_code, response.text) == (206, "234")
    assert response.headers["Content-Type"] == "video/mp4"
    shown = response.headers["Content-Disposition"]
    assert "attachment" in shown
    assert "filename*=UTF-8''mein%20Film%20%C3%A9.mp4" in shown
    seconds = parse_qs(urlsplit(link).query)["X-Goog-Expires"][0]
    assert int(seconds) in {299, 300}


class MachineCredentials(Credentials):
    """Like those of a virtual machine: a token and an email address, but no key to sign with."""

    service_account_email = ServiceAccount.email

    def refresh(self, request):
        self.token = "token-1"


class UserCredentials(MachineCredentials):
    service_account_email = None


def machine_client(fake, credentials):
    return google_storage.Client(
        project="p", credentials=credentials, client_options={"api_endpoint": fake.url}
    )


@pytest.fixture
def iam(fake, monkeypatch):
    """IAM's address leads to the fake."""

    class ToFake(requests.Request):
        def __call__(self, url, **arguments):
            return super().__call__(f"{fake.url}{urlsplit(url).path}?alt=json", **arguments)

    monkeypatch.setattr(requests, "Request", ToFake)


@pytest.fixture
def machine(fake, iam):
    """A store with the credentials of a machine."""
    client = machine_client(fake, MachineCredentials())
    yield GcsStorage("test-bucket", "", client, retry=replace(SHORT_RETRY, read_seconds=0.5))
    client.close()


def test_iam_signs_the_link_without_a_key_file(machine, small):
    gcs = machine
    put(gcs, small)

    link = gcs.signed_url(
        "results/1.mp4", ttl=timedelta(hours=1), now=datetime.now(UTC), filename="a.mp4"
    )

    assert httpx.get(link, trust_env=False).text == "0123456789"


@pytest.mark.parametrize("fault", ["hang", "cut", 503, 403])
def test_an_iam_that_does_not_sign_is_told_within_the_deadline(fake, machine, fault):
    fake.fail("sign", *[fault] * 9)

    with pytest.raises(StorageDenied if fault == 403 else StorageUnavailable):
        machine.signed_url("a", ttl=timedelta(hours=1), now=datetime.now(UTC), filename="a")


def test_user_credentials_cannot_sign(fake):
    client = machine_client(fake, UserCredentials())

    with pytest.raises(StorageDenied, match="service account"):
        GcsStorage("test-bucket", "", client).signed_url(
            "a", ttl=timedelta(hours=1), now=datetime.now(UTC), filename="a"
        )

    client.close()


def test_the_fake_rejects_unknown_requests(fake):
    answer = httpx.patch(f"{fake.url}/storage/v1/b/test-bucket", trust_env=False)

    assert answer.status_code == 501
    assert "no such call" in answer.text


def test_googles_client_is_imported_only_for_a_bucket():
    code = "import sys, storage.factory; sys.exit('google.cloud.storage' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
