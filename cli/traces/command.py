"""`kinomill trace-demo`: run one job with a webhook, and show its trace."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from cli.demo import MODEL
from cli.embedded.home import home_folder
from cli.errors import StackError
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from cli.up import EXAMPLES, running
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.cli.watch.progress import follow
from kinomill.client import Client
from runtime.extras import install_command
from runtime.traces.settings import installed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cli.traces.collector import Collector, ReceivedSpan
    from kinomill.jobs import Job

ARRIVAL_SECONDS = 30.0
"""How long the last span may take to arrive, after the end of the job."""
SUBMISSION, DELIVERY = "POST /v1/jobs", "POST webhook"

console = Console()


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("trace-demo")(trace_demo)


def trace_demo() -> None:
    """Show the trace of one job: start everything, submit a job with a webhook, stop.

    The spans of all programs are shown as a tree. It fails if one of them is
    missing. It needs the extra `otel`.
    """
    _require_extra()
    from cli.traces.collector import collecting
    from cli.traces.tree import trace_tree

    settings = CliSettings()
    home = home_folder(settings, name="demo")
    interrupt_on_sigterm()
    with collecting() as collector, webhook_receiver() as webhook:
        stack = Stack(home, free_port(), settings, variables=variables(collector.endpoint))
        with running(stack):
            job = run_job(stack.url, webhook)
            spans = await_trace(collector, job)
    if spans:
        console.print(trace_tree(spans))
    missing = missing_spans(spans, job)
    if missing:
        console.print(f"Missing: {', '.join(missing)}", style="red")
        raise typer.Exit(1)


def _require_extra() -> None:
    if not installed():
        raise StackError(f"trace-demo needs the extra otel: {install_command('otel')}")


def variables(endpoint: str) -> dict[str, str]:
    """Variables of the programs: all spans go to this collector, soon after their end."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "KINOMILL_FETCH_ALLOW_HTTP": "true",
        "KINOMILL_FETCH_NETWORKS": "127.0.0.0/8",
    }


def run_job(url: str, webhook: str) -> Job:
    """Run one job whose end is reported to `webhook`."""
    with Client(url) as client:
        job = client.submit(
            MODEL, image=EXAMPLES / "face.jpg", audio=EXAMPLES / "voice.wav", webhook=webhook
        )
        return follow(client, job, console)


def await_trace(collector: Collector, job: Job) -> list[ReceivedSpan]:
    """The spans of the job's trace, once all have arrived, or after `ARRIVAL_SECONDS`."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        spans = trace_of(collector, job.id)
        if not missing_spans(spans, job) or time.monotonic() > deadline:
            return spans
        time.sleep(0.1)


def trace_of(collector: Collector, job_id: str) -> list[ReceivedSpan]:
    """The trace in which a span names this job; empty if there is none."""
    own = (one for one in list(collector.spans) if one.attributes.get("kinomill.job.id") == job_id)
    found = next(own, None)
    return [] if found is None else collector.trace(found.trace_id)


def missing_spans(spans: Collection[ReceivedSpan], job: Job) -> list[str]:
    """Names of the spans that the trace of this job, which has ended, should have and has not."""
    wanted = [SUBMISSION, f"attempt {job.model}", *(job.timings or {}), DELIVERY]
    names = {span.name for span in spans}
    return [name for name in wanted if name not in names]


class _Accepting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def webhook_receiver() -> Iterator[str]:
    """Accept webhooks at the URL that this yields, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Accepting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/webhook"
        finally:
            server.shutdown()
            thread.join()
