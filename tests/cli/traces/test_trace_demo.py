"""`kinomill trace-demo`: its collector, what it finds missing, and the extra that it needs.

tests/acceptance/test_traces.py runs its job.
"""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from rich.console import Console

from cli.errors import StackError
from cli.traces.collector import PATH, collecting
from cli.traces.command import missing_spans, trace_demo, trace_of
from cli.traces.tree import trace_tree
from runtime.traces import settings
from runtime.traces.context import TraceContext
from runtime.traces.spans import begin
from tests.runtime.traces.recording import recorded

JOB = SimpleNamespace(id="job_1", model="tiny", timings={"starting": 0.1, "generating": 1.0})


@pytest.fixture
def collector():
    with collecting() as collector:
        yield collector


def send(collector, spans, **options):
    exporter = OTLPSpanExporter(endpoint=collector.endpoint + PATH, **options)
    exporter.export(spans)
    exporter.shutdown()


def spans_of_a_job():
    """A submission, an attempt with two phases that failed, and a delivery."""
    with recorded("kinomill-worker") as spans:
        submission = begin("POST /v1/jobs", "client", None, {"kinomill.job.id": JOB.id})
        trace = TraceContext(submission.headers["traceparent"])
        attempt = begin("attempt tiny", "consumer", trace, {"kinomill.attempt": 1})
        attempt.enter("starting")
        attempt.enter("generating")
        attempt.fail("no_face")
        attempt.end()
        begin("POST webhook", "client", trace, {}).end()
        submission.end()
        return spans()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_collector_takes_what_the_exporter_sends(collector, compression):
    send(collector, spans_of_a_job(), compression=compression)

    found = {span.name: span for span in trace_of(collector, JOB.id)}
    attempt = found["attempt tiny"]
    assert missing_spans(found.values(), JOB) == []
    assert attempt.service == "kinomill-worker"
    assert attempt.parent_id == found["POST /v1/jobs"].id
    assert attempt.links == ((attempt.trace_id, attempt.parent_id),)
    assert attempt.attributes == {"kinomill.attempt": 1, "error.type": "no_face"}
    assert [attempt.failed, found["starting"].failed] == [True, False]
    assert found["generating"].parent_id == attempt.id
    assert attempt.milliseconds >= found["generating"].milliseconds >= 0


def test_the_collector_refuses_what_is_no_trace(collector):
    post = f"{collector.endpoint}/v1/metrics", f"{collector.endpoint}{PATH}"
    statuses = [httpx.post(url, content=b"", trust_env=False).status_code for url in post]

    assert statuses == [404, 404]
    assert collector.spans == []


@pytest.mark.parametrize(
    "missing", ["POST /v1/jobs", "attempt tiny", "starting", "generating", "POST webhook"]
)
def test_each_missing_span_is_named(collector, missing):
    send(collector, [span for span in spans_of_a_job() if span.name != missing])

    assert missing_spans(collector.spans, JOB) == [missing]


def test_a_trace_of_no_span_misses_all(collector):
    assert trace_of(collector, JOB.id) == []
    assert len(missing_spans([], JOB)) == 5


def test_the_tree_shows_each_span_below_its_parent(collector):
    send(collector, spans_of_a_job())
    console = Console(width=120, color_system=None)

    with console.capture() as captured:
        console.print(trace_tree(trace_of(collector, JOB.id)))

    lines = captured.get().splitlines()
    assert [line.strip("│├└─ ").partition("  ")[0] for line in lines[1:]] == [
        "POST /v1/jobs", "attempt tiny", "starting", "generating", "POST webhook",
    ]  # fmt: skip
    assert all(" ms  from " in line for line in lines[1:])


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(settings, "_EXPORTER", "opentelemetry.exporter.missing.http")

    with pytest.raises(StackError, match=r"^trace-demo needs the extra otel"):
        trace_demo()


def test_its_help_says_what_it_does():
    command = [sys.executable, "-m", "cli.main", "trace-demo", "--help"]
    run = subprocess.run(command, capture_output=True, check=True, text=True)

    assert "It fails if one of them is missing" in " ".join(run.stdout.split())
