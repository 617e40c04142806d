"""Inputs in buckets: only what the operator allows, with the limits of downloads."""

from __future__ import annotations

import hashlib

import pytest

from storage.sniffing.media import MediaRejected
from storage.web.bucket_inputs import fetch_source
from storage.web.input_source import check_source
from storage.web.url_policy import UrlPolicy

POLICY = UrlPolicy(input_buckets=("s3://test-bucket/media", "gs://public"))


@pytest.fixture
def policy(fake_s3):
    return UrlPolicy(
        input_buckets=("s3://test-bucket/media", "s3://nowhere"),
        s3_endpoint=fake_s3.url,
        total_seconds=2,
    )


@pytest.fixture
def stored(s3, tmp_path):
    """An object of the bucket, as others write it; its bytes."""
    path = tmp_path / "clip"
    path.write_bytes(bytes(range(256)) * 100)
    s3.put("clips/été/a 1.mp4", path, content_type="video/mp4")
    return path.read_bytes()


URI = "s3://test-bucket/media/clips/été/a 1.mp4"


def fetched(policy, dest, uri=URI, limit=1_000_000, **options):
    return fetch_source(uri, dest, policy=policy, limit_bytes=limit, **options)


def test_an_object_is_downloaded_with_its_progress(policy, stored, tmp_path):
    seen = []

    file = fetched(policy, tmp_path / "x", on_bytes=lambda *amounts: seen.append(amounts))

    assert (tmp_path / "x").read_bytes() == stored
    assert (file.size_bytes, file.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert file.content_type == "video/mp4"
    assert file.has_declared_end
    assert seen == [(len(stored), len(stored))]


def test_an_object_of_others_has_no_checksum_of_ours(policy, stored, fake_s3, tmp_path):
    for each in fake_s3.objects.values():
        each.metadata.clear()

    assert fetched(policy, tmp_path / "x").size_bytes == len(stored)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://test-bucket/a.mp4",
        "s3://test-bucket/media",
        "s3://test-bucket/media-2/a.mp4",
        "s3://test-bucket/other/a.mp4",
        "s3://other/media/a.mp4",
        "S3://test-bucket/media/a.mp4",
        "gs://test-bucket/media/a.mp4",
        "gs://public",
        "gs://public.evil.example/a",
        "s3://test-bucket@evil.example/media/a",
        "s3:///media/a",
        "s3://test-bucket/media/../secret",
        "s3://test-bucket/media/./a",
        "s3://test-bucket/media//a",
        "s3://test-bucket/media/a\0",
        "s3://test-bucket/media/a\\b",
        "s3://test-bucket/media/" + "a" * 5000,
        "file:///etc/passwd",
    ],
)
def test_what_is_not_allowed_is_refused_without_a_request(uri, fake_s3, tmp_path):
    for act in (check_source, lambda uri, policy: fetched(policy, tmp_path / "x", uri)):
        with pytest.raises(MediaRejected) as refused:
            act(uri, POLICY)
        assert refused.value.code == "url_not_allowed"
    assert fake_s3.calls == []


def test_the_refusal_names_the_setting():
    with pytest.raises(MediaRejected, match="KINOMILL_INPUT_BUCKETS allows none"):
        check_source("gs://bucket/a.mp4", UrlPolicy())
    with pytest.raises(MediaRejected, match="allows s3://test-bucket/media, gs://public"):
        check_source("gs://bucket/a.mp4", POLICY)


@pytest.mark.parametrize("uri", ["s3://test-bucket/media/a/b.mp4", "gs://public/a.mp4"])
def test_an_object_of_an_allowed_bucket_is_accepted(uri):
    check_source(uri, POLICY)


@pytest.mark.parametrize("uri", ["s3://test-bucket/media/none.mp4", "s3://nowhere/a.mp4"])
def test_a_missing_object_cannot_be_fetched(policy, fake_s3, tmp_path, uri):
    with pytest.raises(MediaRejected) as missing:
        fetched(policy, tmp_path / "x", uri)

    assert (missing.value.code, missing.value.retryable) == ("fetch_failed", False)
    assert not (tmp_path / "x").exists()


def test_refused_credentials_are_not_told(policy, stored, fake_s3, tmp_path):
    fake_s3.fail("head", 403)

    with pytest.raises(MediaRejected, match="the server has no access") as refused:
        fetched(policy, tmp_path / "x")

    assert not refused.value.retryable


def test_an_outage_may_be_tried_again(policy, stored, fake_s3, tmp_path):
    fake_s3.fail("get", *[503] * 100)

    with pytest.raises(MediaRejected) as failed:
        fetched(policy, tmp_path / "x")

    assert (failed.value.code, failed.value.retryable) == ("fetch_failed", True)
    assert not (tmp_path / "x").exists()


def test_an_object_over_the_limit_is_not_read(policy, stored, fake_s3, tmp_path):
    with pytest.raises(MediaRejected) as large:
        fetched(policy, tmp_path / "x", limit=100)

    assert large.value.code == "input_too_large"
    assert "get" not in fake_s3.calls


def test_a_caller_can_stop_the_download(policy, stored, tmp_path):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with pytest.raises(Stop):
        fetched(policy, tmp_path / "x", on_bytes=stop)
    assert not (tmp_path / "x").exists()
