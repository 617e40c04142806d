"""The doctor before stores."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from cli.doctor import store
from cli.doctor.finding import Verdict
from tests.api.serving import closed_port, logging_kept, serving, settings_of

SECRET = "a secret of the tests, long enough"


@pytest.fixture
def api(database_url, broker_url, tmp_path):
    """The address of an API that serves the store at `tmp_path`."""

    def settings(**changes):
        values = {"database_url": database_url, "redis_url": broker_url, "storage": str(tmp_path)}
        return settings_of(**values | changes)

    with ExitStack() as running:
        with logging_kept():
            url = running.enter_context(serving(settings))
        yield url


def findings(uri, url, secret=SECRET):
    return {
        finding.check: finding for finding in store.look(str(uri), public_url=url, secret=secret)
    }


def test_a_store_in_order(tmp_path, api):
    found = findings(tmp_path, api)

    assert {finding.state for finding in found.values()} == {Verdict.OK}
    assert not list((tmp_path / "objects").rglob("*.txt"))


def test_an_api_with_another_secret(tmp_path, api):
    found = findings(tmp_path, api, "another secret, that nobody else has")

    assert found["storage link"].state is Verdict.FAIL
    assert "KINOMILL_SECRET_KEY" in found["storage link"].remedy
    assert found["storage delete"].state is Verdict.OK


def test_no_api_to_serve_the_link(tmp_path):
    found = findings(tmp_path, f"http://127.0.0.1:{closed_port()}")

    assert found["storage link"].state is Verdict.WARN
    assert found["storage delete"].state is Verdict.OK


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()

    found = findings(tmp_path / "file" / "objects", "http://127.0.0.1:9")

    assert found["storage"].state is Verdict.FAIL
    assert list(found) == ["storage"]


def test_no_store_at_all():
    assert findings("s3://bucket", "http://127.0.0.1:9")["storage"].state is Verdict.FAIL
