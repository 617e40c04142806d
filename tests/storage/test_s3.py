"""Faults of a bucket of S3: each is scripted in the fake and served over real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from storage.base import (
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
    UploadCorrupted,
)
from storage.factory import storage_from_uri
from storage.retry import RetryConfig
from storage.s3.access import create_client
from storage.s3.store import S3Storage

MEBIBYTE = 1024 * 1024
SHORT_RETRY = RetryConfig(deadline_seconds=0.2, initial_delay_seconds=0.01, max_delay_seconds=0.05)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def large(tmp_path):
    """Three parts long."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(17 * MEBIBYTE))
    return path


@pytest.fixture(params=["small", "large"])
def source(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def impatient(fake_s3):
    client = create_client(fake_s3.url, SHORT_RETRY)
    yield S3Storage("test-bucket", "", client, retry=SHORT_RETRY)
    client.close()


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-2"}, "eu-central-2"),
        ({"AWS_REGION": "eu-central-2", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-2"),
    ],
)
def test_the_region_is_that_of_the_environment(fake_s3, monkeypatch, variables, region):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    client = create_client(fake_s3.url, SHORT_RETRY)

    assert client.meta.region_name == region
    client.close()


def put(s3, path, key="results/1.mp4"):
    return s3.put(key, path, content_type="video/mp4")


def holds(s3, path, key="results/1.mp4"):
    return b"".join(s3.open(key)) == path.read_bytes()


@pytest.mark.parametrize("fault", [503, 429, 500, "cut", "lose_reply"])
@pytest.mark.parametrize("operation", ["put", "start", "part", "complete"])
def test_an_upload_survives_transient_faults(s3, fake_s3, small, large, operation, fault):
    source = small if operation == "put" else large
    fake_s3.fail(operation, fault, fault)

    put(s3, source)

    assert holds(s3, source)
    assert len(fake_s3.objects) == 1
    assert not fake_s3.faults[operation]


def test_a_conflict_with_another_writer_is_tried_again(s3, fake_s3, small):
    fake_s3.fail("put", *["ConditionalRequestConflict"] * 2)

    put(s3, small)

    assert holds(s3, small)


@pytest.mark.parametrize("operation", ["head", "get", "list", "delete"])
def test_every_other_request_survives_transient_faults(s3, fake_s3, small, operation):
    fake_s3.fail(operation, 503, "cut", 429)

    put(s3, small)
    assert holds(s3, small)
    assert [listed.key for listed in s3.list_objects("")] == ["results/1.mp4"]
    s3.delete("results/1.mp4")

    assert not fake_s3.objects
    assert not fake_s3.faults[operation]


def test_a_bucket_that_keeps_failing_is_unavailable(impatient, fake_s3, source):
    for operation in ("put", "start"):
        fake_s3.fail(operation, *[503] * 200)

    with pytest.raises(StorageUnavailable) as caught:
        put(impatient, source)

    assert caught.value.retryable


def test_a_refused_connection_is_unavailable(fake_s3, small):
    client = create_client("http://127.0.0.1:9", SHORT_RETRY)

    with pytest.raises(StorageUnavailable):
        put(S3Storage("test-bucket", "", client, retry=SHORT_RETRY), small)

    client.close()


def test_a_silent_bucket_is_unavailable_after_the_deadline(fake_s3, small):
    retry = RetryConfig(deadline_seconds=0.1, read_seconds=0.1, initial_delay_seconds=0.01)
    client = create_client(fake_s3.url, retry)
    fake_s3.fail("put", *["hang"] * 50)

    with pytest.raises(StorageUnavailable):
        put(S3Storage("test-bucket", "", client, retry=retry), small)

    client.close()


def test_a_truncated_upload_is_detected_and_deleted(s3, fake_s3, source):
    fake_s3.fail("put", "truncate")
    fake_s3.fail("part", None, None, "truncate")

    with pytest.raises(UploadCorrupted) as caught:
        put(s3, source)

    assert caught.value.retryable
    assert not fake_s3.objects
    put(s3, source)
    assert holds(s3, source)


def test_the_bucket_refuses_bytes_that_changed_on_the_way(s3, fake_s3, small, monkeypatch):
    changed_after_it_was_signed = "0" * 64
    monkeypatch.setattr("botocore.auth.S3SigV4Auth.payload", lambda *_: changed_after_it_was_signed)

    with pytest.raises(UploadCorrupted):
        put(s3, small)

    assert not fake_s3.objects


@pytest.mark.parametrize("fault", ["NoSuchUpload", "ConditionalRequestConflict"])
def test_a_lost_upload_is_restarted(s3, fake_s3, large, fault):
    fake_s3.fail("complete", fault)

    put(s3, large)

    assert holds(s3, large)
    assert fake_s3.calls.count("start") == 2


def test_a_bucket_that_loses_every_upload_is_unavailable(s3, fake_s3, large):
    fake_s3.fail("complete", *["NoSuchUpload"] * 3)

    with pytest.raises(StorageUnavailable):
        put(s3, large)

    assert not fake_s3.uploads, "the parts are freed"


def test_an_upload_that_fails_frees_its_parts(impatient, fake_s3, large):
    fake_s3.fail("part", None, 403)

    with pytest.raises(StorageDenied):
        put(impatient, large)

    assert not fake_s3.uploads


def test_the_object_of_another_writer_is_not_mistaken_for_ours(s3, fake_s3, source):
    put(s3, source)
    first = fake_s3.objects["media/results/1.mp4"]
    fake_s3.fail("put", "lose_reply")
    fake_s3.fail("complete", "lose_reply")

    with pytest.raises(ObjectExists):
        put(s3, source)

    assert fake_s3.objects["media/results/1.mp4"] is first


def test_a_broken_download_resumes(s3, fake_s3, source, tmp_path):
    put(s3, source)
    fake_s3.fail("get", "cut_half", "cut_half", 503)

    s3.download("results/1.mp4", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_a_corrupted_download_leaves_no_file(s3, fake_s3, source, tmp_path):
    put(s3, source)
    fake_s3.fail("get", "flip")

    with pytest.raises(ObjectCorrupted):
        s3.download("results/1.mp4", tmp_path / "copy")

    assert [path.name for path in tmp_path.glob("*copy*")] == []


def test_an_object_that_is_replaced_while_it_is_read_is_noticed(s3, small, tmp_path):
    put(s3, small)
    pieces = s3.open("results/1.mp4")
    s3.delete("results/1.mp4")
    (tmp_path / "other").write_bytes(b"other")
    put(s3, tmp_path / "other")

    with pytest.raises(ObjectCorrupted, match="replaced"):
        next(pieces)


def test_an_object_deleted_while_reading_raises_not_found(s3, small):
    put(s3, small)
    pieces = s3.open("results/1.mp4")
    s3.delete("results/1.mp4")

    with pytest.raises(ObjectNotFound):
        next(pieces)


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_credentials_raise_storage_denied(s3, fake_s3, small, status):
    fake_s3.fail("put", status)

    with pytest.raises(StorageDenied):
        put(s3, small)


def test_a_wrong_secret_is_refused_by_the_signature(fake_s3, small, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    client = create_client(fake_s3.url, SHORT_RETRY)

    with pytest.raises(StorageDenied, match="SignatureDoesNotMatch"):
        put(S3Storage("test-bucket", "", client, retry=SHORT_RETRY), small)

    client.close()


def test_a_full_store_is_told_apart(s3, fake_s3, small):
    fake_s3.fail("put", "XMinioStorageFull")

    with pytest.raises(StorageFull):
        put(s3, small)


def test_a_missing_bucket_is_named_in_the_error(fake_s3, small):
    client = create_client(fake_s3.url, SHORT_RETRY)

    with pytest.raises(StorageError, match="bucket nowhere does not exist"):
        put(S3Storage("nowhere", "", client, retry=SHORT_RETRY), small)

    client.close()


def test_any_other_status_is_a_storage_error(s3, fake_s3, small):
    fake_s3.fail("put", 418)

    with pytest.raises(StorageError) as caught:
        put(s3, small)

    assert type(caught.value) is StorageError


def test_missing_credentials_name_the_variables_to_set(monkeypatch, tmp_path, fake_s3):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    with pytest.raises(StorageDenied, match="set AWS_ACCESS_KEY_ID"):
        create_client(fake_s3.url, SHORT_RETRY)


def test_an_s3_uri_names_a_bucket(fake_s3, small):
    s3 = storage_from_uri(
        "s3://test-bucket/pre/fix/", public_url="", secret=b"", s3_endpoint=fake_s3.url
    )

    put(s3, small, "a")

    assert list(fake_s3.objects) == ["pre/fix/a"]
    s3.close()


def test_without_an_endpoint_the_store_is_amazons(fake_s3, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    s3 = storage_from_uri("s3://films/pre", public_url="", secret=b"")

    link = s3.signed_url("a", ttl=timedelta(hours=1), now=datetime.now(UTC), filename="a.mp4")

    assert link.startswith("https://films.s3.eu-central-1.amazonaws.com/pre/a?")
    s3.close()


def test_the_link_sets_the_download_name(s3, small):
    put(s3, small)
    link = s3.signed_url(
        "results/1.mp4", ttl=timedelta(minutes=5), now=datetime.now(UTC), filename="mein Film é.mp4"
    )

    response = httpx.get(link, headers={"Range": "bytes=2-4"}, trust_env=False)

    assert (response.status_code, response.text) == (206, "234")
    assert response.headers["Content-Type"] == "video/mp4"
    shown = response.headers["Content-Disposition"]
    assert "attachment" in shown
    assert "filename*=UTF-8''mein%20Film%20%C3%A9.mp4" in shown
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["300"]


def test_the_fake_rejects_unknown_requests(fake_s3):
    assert httpx.patch(f"{fake_s3.url}/test-bucket/a", trust_env=False).status_code == 501
    assert httpx.get(f"{fake_s3.url}/test-bucket/a?acl", trust_env=False).status_code == 501


def test_the_fake_rejects_requests_without_a_signature(fake_s3):
    assert httpx.get(f"{fake_s3.url}/test-bucket/a", trust_env=False).status_code == 403


def test_botocore_is_imported_only_for_a_bucket():
    code = "import sys, storage.factory; sys.exit('botocore' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.config", None)

    with pytest.raises(StorageError, match="extra s3"):
        storage_from_uri("s3://films", public_url="", secret=b"")
