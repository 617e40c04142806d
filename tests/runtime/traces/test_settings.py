"""When spans are sent, by the standard variables, and the sentence if they cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runtime.extras import install_command
from runtime.traces import settings
from runtime.traces.settings import TracesUnavailable, check, endpoint

HERE = "http://127.0.0.1:4318"
ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}


def test_spans_are_sent_only_if_a_collector_is_named():
    assert endpoint({}) is None
    assert endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}) is None
    assert endpoint({"OTEL_SERVICE_NAME": "mine", "OTEL_TRACES_EXPORTER": "otlp"}) is None
    assert endpoint(ON) == HERE
    assert endpoint({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": HERE}) == HERE


@pytest.mark.parametrize(
    "off",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_the_standard_switches_turn_them_off(off):
    assert endpoint(ON | off) is None
    check(ON | off)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            "OTEL_EXPORTER_OTLP_ENDPOINT=collector",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "not the address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:b"}, "not the address"),
        (ON | {"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin"),
        (ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        (ON | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/protobuf"),
    ],
)
def test_what_cannot_be_sent_is_said_in_one_sentence(variables, said):
    with pytest.raises(TracesUnavailable, match=said) as raised:
        check(variables)
    assert "\n" not in str(raised.value)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(settings, "_EXPORTER", "opentelemetry.exporter.missing.http")

    with pytest.raises(TracesUnavailable) as raised:
        check(ON)

    assert "the extra otel" in str(raised.value)
    assert install_command("otel") in str(raised.value)
    check({})


def test_the_installed_extra_is_enough():
    check(ON)


def test_a_program_ends_with_the_sentence():
    code = "from runtime.traces.tracing import exit_if_unavailable; exit_if_unavailable('kinomill')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr.startswith("kinomill: OTEL_EXPORTER_OTLP_ENDPOINT=collector is not")
    assert run.stderr.count("\n") == 1
