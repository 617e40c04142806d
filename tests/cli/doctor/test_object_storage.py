"""Checks of object storage."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from cli.doctor import object_storage
from cli.doctor.check import Status
from tests.api.serving import closed_port, restored_logging, serving, settings_of
from tests.storage import fake_s3
from tests.storage.fake_s3_signatures import ACCESS_KEY, SECRET_KEY

SECRET = "a secret of the tests, long enough"


@pytest.fixture
def api(database_url, broker_url, tmp_path):
    """The URL of an API that serves the storage at `tmp_path`."""

    def settings(**changes):
        values = {"database_url": database_url, "redis_url": broker_url, "storage": str(tmp_path)}
        return settings_of(**values | changes)

    with ExitStack() as running:
        with restored_logging():
            url = running.enter_context(serving(settings))
        yield url


def results(uri, url, secret=SECRET):
    return {
        result.check: result
        for result in object_storage.check(str(uri), public_url=url, secret=secret)
    }


def test_storage_in_order(tmp_path, api):
    checks = results(tmp_path, api)

    assert {result.status for result in checks.values()} == {Status.OK}
    assert not list((tmp_path / "objects").rglob("*.txt"))


def test_an_api_with_another_secret_fails(tmp_path, api):
    checks = results(tmp_path, api, "another secret, that nobody else has")

    assert checks["storage link"].status is Status.FAIL
    assert "KINOMILL_SECRET_KEY" in checks["storage link"].remedy
    assert checks["storage delete"].status is Status.OK


def test_a_link_without_an_api_is_a_warning(tmp_path):
    checks = results(tmp_path, f"http://127.0.0.1:{closed_port()}")

    assert checks["storage link"].status is Status.WARN
    assert checks["storage delete"].status is Status.OK


def test_storage_that_cannot_be_written_fails(tmp_path):
    (tmp_path / "file").touch()

    checks = results(tmp_path / "file" / "objects", "http://127.0.0.1:9")

    assert checks["storage"].status is Status.FAIL
    assert list(checks) == ["storage"]


def test_an_unknown_uri_scheme_fails():
    assert results("ftp://bucket", "http://127.0.0.1:9")["storage"].status is Status.FAIL


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A store that speaks S3, and credentials for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with fake_s3.serve(tmp_path) as fake:
        yield fake


def s3_results(bucket, endpoint):
    found = object_storage.check(
        f"s3://{bucket}/media", public_url="http://127.0.0.1:9", secret=SECRET, s3_endpoint=endpoint
    )
    return {result.check: result for result in found}


def test_a_bucket_of_s3_in_order(s3):
    checks = s3_results("test-bucket", s3.url)

    assert {result.status for result in checks.values()} == {Status.OK}
    assert not s3.objects


def test_a_missing_bucket_of_s3_is_named(s3):
    checks = s3_results("nowhere", s3.url)

    assert checks["storage"].status is Status.FAIL
    assert "bucket nowhere does not exist" in checks["storage"].detail


def test_refused_credentials_of_s3_fail(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    assert "SignatureDoesNotMatch" in s3_results("test-bucket", s3.url)["storage"].detail
