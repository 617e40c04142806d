"""A worker does not start with settings that can lose a job or run it twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis
from structlog.testing import capture_logs

from models import catalog
from workers import preflight
from workers.parent.heartbeat import FORCE_AFTER
from workers.settings import WorkerSettings

HOUR = timedelta(hours=1)


@pytest.fixture
def conf(worker_app):
    return dict(worker_app.conf)


def test_the_worker_s_configuration_breaks_no_rule(conf):
    assert list(preflight.violations(conf, longest=HOUR)) == []
    preflight.check(conf, longest=HOUR)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", False),
        ("worker_prefetch_multiplier", 0),
        ("task_reject_on_worker_lost", True),
        ("task_acks_on_failure_or_timeout", False),
        ("worker_pool_start_method", "fork"),
        ("task_serializer", "pickle"),
        ("worker_cancel_long_running_tasks_on_connection_loss", True),
        ("accept_content", ["json", "pickle"]),
        ("worker_proc_alive_timeout", 4.0),
    ],
)
def test_each_broken_rule_has_its_sentence(conf, name, value):
    conf[name] = value

    [sentence] = preflight.violations(conf, longest=HOUR)

    assert sentence.startswith(f"- {name} is {value!r}")
    assert "set it to" in sentence
    assert sentence.endswith(".")


def test_a_visibility_timeout_shorter_than_the_longest_job_is_refused(conf):
    conf["broker_transport_options"] = {"visibility_timeout": 7200}

    assert list(preflight.violations(conf, longest=HOUR)) == []
    [sentence] = preflight.violations(conf, longest=HOUR * 2)

    assert "at least 10800 s" in sentence


def test_a_worker_of_default_settings_may_serve_and_pull_each_model(conf):
    defaults = {name: field.default for name, field in WorkerSettings.model_fields.items()}
    conf["broker_transport_options"] = {
        "visibility_timeout": defaults["visibility_timeout"].total_seconds()
    }
    longest = max(card.time_limit for card in catalog.CARDS.values())
    around = defaults["pull_window"] + defaults["drain_window"] + FORCE_AFTER

    assert list(preflight.violations(conf, longest=longest + around)) == []


def test_the_default_visibility_timeout_is_an_hour(conf):
    conf["broker_transport_options"] = {}

    assert len(list(preflight.violations(conf, longest=HOUR))) == 1


def test_the_error_names_every_broken_rule(conf):
    conf |= {"task_acks_late": False, "task_serializer": "yaml"}

    with pytest.raises(SystemExit) as refused:
        preflight.check(conf, longest=HOUR)

    lines = str(refused.value).splitlines()
    assert "refusing to start" in lines[0]
    assert len(lines) == 3


@pytest.fixture
def broker(broker_url):
    """The broker of these tests, whose settings are restored at the end."""
    with Redis.from_url(broker_url) as client:
        before = client.config_get("maxmemory-policy", "appendonly")
        yield client
        for name, value in before.items():
            client.config_set(name, value)


def test_a_broker_without_eviction_and_with_persistence_passes(broker, broker_url):
    broker.config_set("maxmemory-policy", "noeviction")
    broker.config_set("appendonly", "yes")

    with capture_logs() as logs:
        preflight.check_broker(broker_url)

    assert logs == []


def test_a_broker_that_may_evict_messages_is_refused(broker, broker_url):
    broker.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(preflight.UnsafeConfiguration, match="set it to 'noeviction'"):
        preflight.check_broker(broker_url)


def test_a_broker_without_persistence_is_a_warning(broker, broker_url):
    broker.config_set("appendonly", "no")

    with capture_logs() as logs:
        preflight.check_broker(broker_url)

    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "set appendonly to yes" in logs[0]["event"]


def test_a_broker_that_does_not_allow_config_get_passes(broker, broker_url):
    broker.execute_command("ACL", "SETUSER", "shy", "on", ">secret", "~*", "&*", "+@all", "-config")
    address = broker_url.partition("@")[2] or broker_url.partition("://")[2]

    with capture_logs() as logs:
        preflight.check_broker(f"redis://shy:secret@{address}")
    broker.execute_command("ACL", "DELUSER", "shy")

    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_an_unreachable_broker_passes():
    with capture_logs() as logs:
        preflight.check_broker("redis://127.0.0.1:1/0")

    assert "could not read" in logs[0]["event"]
