"""The doctor before a real broker."""

from __future__ import annotations

import pytest

from cli.doctor import broker
from cli.doctor.finding import Verdict
from tests.api.serving import closed_port


@pytest.fixture
def configured(redis):
    """Changes a setting of the broker until the test is over."""
    before = {}

    def change(name, value):
        before[name] = redis.config_get(name)[name]
        redis.config_set(name, value)

    yield change
    for name, value in before.items():
        redis.config_set(name, value)


def findings(url):
    return {finding.check: finding for finding in broker.look(url)}


def test_a_broker_in_order(broker_url):
    found = findings(broker_url)

    assert {finding.state for finding in found.values()} == {Verdict.OK}
    assert "Valkey" in found["broker"].found


def test_a_broker_that_evicts(broker_url, configured):
    configured("maxmemory-policy", "allkeys-lru")

    found = findings(broker_url)

    assert found["broker memory"].state is Verdict.FAIL
    assert "noeviction" in found["broker memory"].remedy
    assert found["broker persistence"].state is Verdict.OK


def test_a_broker_that_keeps_nothing_on_disk(broker_url, configured):
    configured("appendonly", "no")

    assert findings(broker_url)["broker persistence"].state is Verdict.WARN


def test_a_wrong_password(broker_url):
    head, _, tail = broker_url.rpartition("@")
    wrong = head.rpartition(":")[0] + ":wrong@" + tail

    (finding,) = broker.look(wrong)

    assert finding.state is Verdict.FAIL


@pytest.mark.parametrize("address", ["redis://:secret@127.0.0.1:{port}/0", "http://:secret@x"])
def test_nobody_at_the_address(address):
    (finding,) = broker.look(address.format(port=closed_port()))

    assert finding.state is Verdict.FAIL
    assert "secret" not in finding.found
