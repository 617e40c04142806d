"""Pushes to mirrors: only correct files are visible there, the manifest last."""

from __future__ import annotations

import os
import threading

import pytest
from google.api_core.retry import Retry
from google.cloud import storage
from google.cloud.storage.retry import _should_retry

from tests.storage.fake_gcs import serve
from tests.storage.service_account import ServiceAccount
from tests.weights.volume_helpers import digest, opened, published
from weights.errors import AccessDenied, PullStopped, SourceNotFound, WeightsError, WrongContent
from weights.mirror.factory import open_mirror
from weights.mirror.gcs import GcsMirror
from weights.mirror.push import push

FILES = {"a/file": os.urandom(700_000), "small": b"{}", "twin": b"{}"}
BIG = os.urandom(8_500_000)
"""Over what Google's client sends in one request."""
BLOBS = {f"w/blobs/{digest(content)}" for content in FILES.values()}
MANIFEST = "w/models/tiny/weights.toml"


@pytest.fixture(scope="session")
def account():
    return ServiceAccount()


@pytest.fixture
def gcs(account, tmp_path, monkeypatch):
    # google-auth asks Google about locations, in a thread behind every first call
    manager = "google.auth._regional_access_boundary_utils._RegionalAccessBoundaryManager"
    monkeypatch.setattr(f"{manager}.maybe_start_refresh", lambda *_: None)
    (tmp_path / "bucket").mkdir()
    with serve(account, tmp_path / "bucket") as fake:
        yield fake


@pytest.fixture
def bucket(gcs, monkeypatch):
    monkeypatch.setattr("weights.mirror.gcs.CHUNK_BYTES", 4 * 1024 * 1024)
    client = storage.Client(
        project="kinomill-test",
        credentials=gcs.account.credentials(gcs.url),
        client_options={"api_endpoint": gcs.url},
    )
    fast_retry = Retry(predicate=_should_retry, initial=0.01, maximum=0.05, timeout=5)
    yield GcsMirror(client.bucket("test-bucket"), "w", fast_retry)
    client.close()


@pytest.fixture
def volume(tmp_path):
    return opened(tmp_path / "volume")


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "weights.toml"
    path.write_text("schema = 1\n")
    return path


def names(gcs):
    return set(gcs.bucket.objects)


def content(gcs, name):
    return gcs.bucket.objects[name].path.read_bytes()


def test_files_are_stored_by_digest_and_the_manifest_last(gcs, bucket, volume, manifest):
    pushed = push(published(volume, FILES), manifest, volume, bucket)

    assert pushed.sent_bytes == 700_002
    assert set(pushed.sent) == set(FILES)
    assert names(gcs) == BLOBS | {MANIFEST}
    assert all(digest(content(gcs, name)) == name.rpartition("/")[2] for name in BLOBS)
    assert max(gcs.bucket.objects.values(), key=lambda one: one.generation).name == MANIFEST


def test_files_that_the_mirror_has_are_not_sent_again(gcs, bucket, volume, manifest):
    selection = published(volume, FILES)
    push(selection, manifest, volume, bucket)
    gcs.calls.clear()

    pushed = push(selection, manifest, volume, bucket)

    assert pushed.sent == ()
    assert set(pushed.present) == set(FILES)
    assert not {"multipart", "start", "chunk"} & set(gcs.calls)


def test_an_object_with_other_content_is_replaced(gcs, bucket, volume, manifest):
    selection = published(volume, FILES)
    push(selection, manifest, volume, bucket)
    (name,) = (name for name in BLOBS if gcs.bucket.objects[name].size == 700_000)
    gcs.bucket.objects[name].crc32c = "AAAAAA=="

    pushed = push(selection, manifest, volume, bucket)

    assert pushed.sent == ("a/file",)
    assert content(gcs, name) == FILES["a/file"]


@pytest.mark.parametrize(
    "fault", [503, 429, "cut", "cut_half", "keep_half", "lose_reply", "forget", "finish_and_forget"]
)
def test_an_interrupted_resumable_upload_continues(gcs, bucket, volume, manifest, fault):
    gcs.fail("chunk", fault)

    push(published(volume, {"big": BIG}), manifest, volume, bucket)

    (name,) = names(gcs) - {MANIFEST}
    assert content(gcs, name) == BIG


@pytest.mark.parametrize("fault", [503, 412, "cut", "lose_reply"])
def test_an_interrupted_short_upload_is_retried(gcs, bucket, volume, manifest, fault):
    gcs.fail("multipart", fault)

    push(published(volume, {"small": b"{}"}), manifest, volume, bucket)

    assert names(gcs) == {f"w/blobs/{digest(b'{}')}", MANIFEST}


def test_a_damaged_upload_is_removed_and_no_manifest_is_written(gcs, bucket, volume, manifest):
    gcs.fail("multipart", "flip")

    with pytest.raises(WrongContent, match="other bytes"):
        push(published(volume, {"small": b"{}"}), manifest, volume, bucket)

    assert names(gcs) == set()


def test_a_corrupt_file_of_the_volume_is_not_uploaded(gcs, bucket, volume, manifest):
    selection = published(volume, FILES)
    blob = volume.blob(selection.files[0])
    blob.chmod(0o644)
    blob.write_bytes(bytes(700_000))

    with pytest.raises(WrongContent, match="verify --repair"):
        push(selection, manifest, volume, bucket)

    assert MANIFEST not in names(gcs)
    assert f"w/blobs/{selection.files[0].sha256}" not in names(gcs)


def test_a_push_can_be_stopped_and_the_next_one_continues(gcs, bucket, volume, manifest):
    selection, stop = published(volume, FILES), threading.Event()

    with pytest.raises(PullStopped):
        push(selection, manifest, volume, bucket, on_progress=lambda _: stop.set(), stop=stop)

    assert MANIFEST not in names(gcs)
    push(selection, manifest, volume, bucket)
    assert names(gcs) == BLOBS | {MANIFEST}


@pytest.mark.parametrize(
    ("operation", "status", "error"),
    [("stat", 403, AccessDenied), ("start", 403, AccessDenied), ("start", 404, SourceNotFound)],
)
def test_a_bucket_without_access_is_reported(
    gcs, bucket, volume, manifest, operation, status, error
):
    gcs.fail(operation, status)

    with pytest.raises(error, match="gs://test-bucket/w/"):
        push(published(volume, {"big": BIG}), manifest, volume, bucket)


def test_the_error_without_credentials_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    with pytest.raises(AccessDenied, match="GOOGLE_APPLICATION_CREDENTIALS"):
        open_mirror("gs://test-bucket")


def test_a_folder_can_be_a_mirror(volume, manifest, tmp_path):
    mirror = open_mirror((tmp_path / "mirror").as_uri())
    selection = published(volume, FILES)
    first = push(selection, manifest, volume, mirror)
    stored = tmp_path / "mirror" / "blobs" / digest(FILES["a/file"])
    stored.write_bytes(bytes(700_000))

    second = push(selection, manifest, volume, mirror)

    assert set(first.sent) == set(FILES)
    assert second.sent == ("a/file",)
    assert stored.read_bytes() == FILES["a/file"]
    assert (tmp_path / "mirror/models/tiny/weights.toml").read_text() == "schema = 1\n"
    assert not list(tmp_path.glob("mirror/**/*.part"))


def test_a_folder_that_is_not_writable_is_reported(volume, manifest, tmp_path):
    (tmp_path / "mirror").touch()
    mirror = open_mirror((tmp_path / "mirror").as_uri())

    with pytest.raises(WeightsError, match="mirror"):
        push(published(volume, FILES), manifest, volume, mirror)


@pytest.mark.parametrize("uri", ["s3://bucket", "gs://", "/folder", "file://host/folder"])
def test_other_uris_are_not_mirrors(uri):
    with pytest.raises(WeightsError, match="gs://bucket/prefix"):
        open_mirror(uri)
