"""Sources in a bucket of a strict fake of Google Cloud Storage."""

from __future__ import annotations

import os

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.storage.fake_gcs import serve
from tests.storage.service_account import ServiceAccount
from tests.weights.read_source import read
from tests.weights.volume_helpers import digest, weight_file
from weights.errors import (
    AccessDenied,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
)
from weights.settings import WeightsSettings
from weights.sources import gcs as module
from weights.sources.gcs import GcsSources
from weights.sources.source_factory import open_sources

CONTENT = os.urandom(1_000_000)
KEY = "some folder/model.safetensors"


@pytest.fixture(scope="module")
def account():
    return ServiceAccount()


@pytest.fixture
def gcs(account, tmp_path, monkeypatch):
    # google-auth asks Google about locations, in a thread behind every first call
    manager = "google.auth._regional_access_boundary_utils._RegionalAccessBoundaryManager"
    monkeypatch.setattr(f"{manager}.maybe_start_refresh", lambda *_: None)
    (tmp_path / "bucket").mkdir()
    with serve(account, tmp_path / "bucket") as gcs:
        yield gcs


def client_of(gcs, credentials):
    options = {"api_endpoint": gcs.url}
    return storage.Client(project="test", credentials=credentials, client_options=options)


@pytest.fixture
def client(gcs, account):
    client = client_of(gcs, account.credentials(gcs.url))
    yield client
    client.close()


@pytest.fixture
def anonymous(gcs):
    client = client_of(gcs, AnonymousCredentials())
    yield client
    client.close()


@pytest.fixture
def upload(client):
    def put(content=CONTENT, key=KEY):
        client.bucket("test-bucket").blob(key).upload_from_string(content)

    return put


@pytest.fixture
def source(client, pool, upload):
    upload()
    return GcsSources(client, pool).source("test-bucket", KEY)


def test_any_range_of_the_generation_can_be_read(gcs, source):
    remote = source.stat()

    assert (remote.size_bytes, remote.ranges) == (len(CONTENT), True)
    assert remote.validator == str(gcs.bucket.objects[KEY].generation)
    assert read(source, remote) == CONTENT
    assert read(source, remote, 10, 20) == CONTENT[10:20]


def test_one_token_serves_all_ranges(gcs, source):
    remote = source.stat()
    gcs.calls.clear()

    for at in range(0, 1_000_000, 250_000):
        read(source, remote, at, at + 250_000)

    assert gcs.calls == ["media"] * 4


def test_a_token_that_has_expired_is_renewed(gcs, source, client):
    remote = source.stat()
    gcs.fail("media", 401)
    client._credentials.token = None
    gcs.calls.clear()

    assert read(source, remote, 10, 20) == CONTENT[10:20]
    assert gcs.calls == ["media", "token", "stat", "media"]


def test_another_generation_is_detected(source, upload):
    remote = source.stat()
    upload(CONTENT[::-1])

    with pytest.raises(RemoteChanged):
        read(source, remote, 10, 20)


@pytest.mark.parametrize("key", ["none", "none/at all"])
def test_a_missing_object_is_reported(client, pool, key):
    with pytest.raises(SourceNotFound, match=f"gs://test-bucket/{key}"):
        GcsSources(client, pool).source("test-bucket", key).stat()


def test_a_missing_bucket_is_reported(client, pool):
    with pytest.raises(SourceNotFound, match="bucket does not exist"):
        GcsSources(client, pool).source("other-bucket", KEY).stat()


@pytest.mark.parametrize("fault", ["cut", 408, 429, 503])
@pytest.mark.parametrize("operation", ["stat", "media"])
def test_transient_errors_are_retryable(gcs, source, operation, fault):
    remote = source.stat()
    gcs.fail(operation, fault)

    with pytest.raises(SourceUnavailable):
        source.stat() if operation == "stat" else read(source, remote, 10, 20)


def test_a_body_that_ends_early_is_reported(gcs, source):
    remote = source.stat()
    gcs.fail("media", "cut_half")

    with pytest.raises(SourceUnavailable, match="closed after 500000 of 1000000 bytes"):
        read(source, remote)


@pytest.mark.parametrize(
    ("operation", "fault", "error"),
    [
        ("stat", 403, AccessDenied),
        ("stat", 400, WeightsError),
        ("token", 503, SourceUnavailable),
        ("token", 400, AccessDenied),
    ],
)
def test_each_error_status_is_converted(gcs, account, pool, upload, operation, fault, error):
    upload()
    client = client_of(gcs, account.credentials(gcs.url))
    gcs.fail(operation, *[fault] * 30)

    with pytest.raises(error, match="gs://test-bucket/some folder"):
        GcsSources(client, pool).source("test-bucket", KEY).stat()
    client.close()


def test_a_public_bucket_needs_no_credentials(gcs, anonymous, pool, upload):
    upload()
    source = GcsSources(anonymous, pool).source("test-bucket", KEY)

    with pytest.raises(AccessDenied, match="GOOGLE_APPLICATION_CREDENTIALS"):
        source.stat()
    gcs.public = True
    assert read(source) == CONTENT


def test_a_mirror_in_a_bucket_is_tried_first(gcs, client, upload, monkeypatch):
    monkeypatch.setattr(module, "default_client", lambda: client)
    upload(CONTENT, f"mirror/blobs/{digest(CONTENT)}")
    settings = WeightsSettings(weights_mirror="gs://test-bucket/mirror")

    with open_sources(settings) as sources:
        first, _ = sources.for_file(weight_file(CONTENT))

        assert read(first) == CONTENT


def test_a_machine_without_credentials_is_anonymous(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    assert isinstance(module.default_client()._credentials, AnonymousCredentials)


def test_the_credentials_of_the_machine_are_used(monkeypatch, tmp_path, account, gcs):
    import json

    key = tmp_path / "key.json"
    key.write_text(json.dumps(account.fields(gcs.url)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))

    assert module.default_client()._credentials.service_account_email == account.email
