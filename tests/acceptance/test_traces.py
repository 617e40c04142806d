"""One trace from a caller over all programs to its webhook; nothing of it without a collector."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from cli.settings import CliSettings
from cli.stack import Stack, free_port
from cli.traces.collector import collecting
from cli.traces.command import await_trace, missing_spans, variables
from cli.traces.tree import trace_tree
from kinomill import Client
from tests.acceptance.sounds import lengthen
from tests.database import without_fsync
from tests.folders import temporary_folder
from tests.maintenance.receiver import receiving
from tests.waiting import until

MODEL = "preview-lipsync"
NETWORKS = {"KINOMILL_FETCH_ALLOW_HTTP": "true", "KINOMILL_FETCH_NETWORKS": "127.0.0.0/8"}
ONLY_AT_THE_END = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
"""Each program sends its spans when it stops."""
SDK = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto")
PROGRAMS = ("api", "worker", "maintenance")


@contextmanager
def stack_of(**changes):
    """A complete Kinomill with these variables."""
    with temporary_folder("traces") as home, without_fsync():
        settings = CliSettings(database_url=None, redis_url=None, storage=None)
        with Stack(home, free_port(), settings, lambda _: None, variables=changes) as running:
            yield running


@pytest.fixture
def short(voice, tmp_path):
    return lengthen(voice, tmp_path / "short.wav", seconds=0.5)


def run_job(url, receiver, photo, voice):
    with Client(url) as client:
        job = client.submit(MODEL, image=photo, audio=voice, webhook=receiver.url)
        done = client.wait(job)
    until(lambda: receiver.deliveries, what="the webhook")
    return done


def test_one_trace_goes_from_the_caller_to_the_webhook(photo, short):
    provider = TracerProvider(shutdown_on_exit=False)
    with collecting() as collector, receiving() as receiver:
        with stack_of(**variables(collector.endpoint) | ONLY_AT_THE_END) as stack:  # noqa: SIM117
            with provider.get_tracer("caller").start_as_current_span("caller") as own:
                job = run_job(stack.url, receiver, photo, short)
        spans = await_trace(collector, job)
    provider.shutdown()

    assert missing_spans(spans, job) == []
    named = {span.name: span for span in spans}
    submission, attempt = named["POST /v1/jobs"], named[f"attempt {MODEL}"]
    delivery, caller = named["POST webhook"], own.get_span_context()
    assert (submission.trace_id, submission.parent_id) == (
        f"{caller.trace_id:032x}", f"{caller.span_id:016x}",
    )  # fmt: skip
    assert submission.attributes["kinomill.job.id"] == job.id
    for span in (attempt, delivery):
        assert span.parent_id == submission.id
        assert span.links == ((submission.trace_id, submission.id),)
    assert [submission.service, attempt.service, delivery.service] == [
        "kinomill-api", "kinomill-worker", "kinomill-maintenance",
    ]  # fmt: skip
    phases = [span for span in spans if span.parent_id == attempt.id]
    assert [span.name for span in phases] == sorted(
        job.timings, key=lambda name: named[name].begin_ns
    )
    assert attempt.begin_ns == pytest.approx(phases[0].begin_ns, abs=50_000_000)
    assert attempt.end_ns == phases[-1].end_ns
    [sent] = receiver.deliveries
    assert sent.headers["traceparent"].startswith(f"00-{delivery.trace_id}-{delivery.id}-")
    shown = trace_tree(spans).children[0]
    assert "POST /v1/jobs" in str(shown.label)
    assert f"attempt {MODEL}" in str(shown.children[0].label)
    assert "POST webhook" in str(shown.children[1].label)
    assert len(shown.children[0].children) == len(phases)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_without_a_collector_no_program_imports_the_sdk(photo, short):
    with receiving() as receiver, stack_of(PYTHONPROFILEIMPORTTIME="1", **NETWORKS) as stack:
        run_job(stack.url, receiver, photo, short)
        logs = {name: (stack.home / "logs" / f"{name}.log").read_text() for name in PROGRAMS}

    [sent] = receiver.deliveries
    assert "traceparent" not in sent.headers
    for name, log in logs.items():
        assert "runtime.traces.tracing" in log, name  # the log has the imports
        imports = {line.rpartition("|")[2].strip() for line in log.splitlines()}
        found = {one for one in imports if one.startswith(SDK)}
        assert found <= {"opentelemetry.sdk.metrics"}, name  # redis-py tries that, in vain
