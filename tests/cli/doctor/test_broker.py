"""Checks of a real broker."""

from __future__ import annotations

import pytest

from cli.doctor import broker
from cli.doctor.check import Status
from tests.api.serving import closed_port


@pytest.fixture
def configure(redis):
    """Change a setting of the broker until the end of the test."""
    before = {}

    def change(name, value):
        before[name] = redis.config_get(name)[name]
        redis.config_set(name, value)

    yield change
    for name, value in before.items():
        redis.config_set(name, value)


def results(url):
    return {result.check: result for result in broker.check(url)}


def test_a_broker_in_order(broker_url):
    checks = results(broker_url)

    assert {result.status for result in checks.values()} == {Status.OK}
    assert "Valkey" in checks["broker"].detail


def test_a_broker_that_evicts_messages_fails(broker_url, configure):
    configure("maxmemory-policy", "allkeys-lru")

    checks = results(broker_url)

    assert checks["broker memory"].status is Status.FAIL
    assert "noeviction" in checks["broker memory"].remedy
    assert checks["broker persistence"].status is Status.OK


def test_a_broker_without_an_append_only_file_is_a_warning(broker_url, configure):
    configure("appendonly", "no")

    assert results(broker_url)["broker persistence"].status is Status.WARN


def test_a_wrong_password_fails(broker_url):
    head, _, tail = broker_url.rpartition("@")
    wrong = head.rpartition(":")[0] + ":wrong@" + tail

    (result,) = broker.check(wrong)

    assert result.status is Status.FAIL


@pytest.mark.parametrize("address", ["redis://:secret@127.0.0.1:{port}/0", "http://:secret@x"])
def test_an_unreachable_broker_fails_without_showing_the_password(address):
    (result,) = broker.check(address.format(port=closed_port()))

    assert result.status is Status.FAIL
    assert "secret" not in result.detail
