"""A receiver of webhooks that records each delivery and sometimes refuses one."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Delivery:
    """One request of the sender, and how it was answered."""

    at: float
    """`time.time()` when it had arrived."""
    headers: dict[str, str]
    body: bytes
    accepted: bool


@dataclass
class Receiver:
    """What has arrived."""

    url: str
    deliveries: list[Delivery] = field(default_factory=list)
    refusals: deque[int] = field(default_factory=deque)
    """Statuses for the next deliveries; then 204."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = receiver.refusals.popleft() if receiver.refusals else HTTPStatus.NO_CONTENT
        headers = {name.lower(): value for name, value in self.headers.items()}
        accepted = status == HTTPStatus.NO_CONTENT
        receiver.deliveries.append(Delivery(time.time(), headers, body, accepted))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        """Suppress the log."""


@contextmanager
def receiving():
    """Serve until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/webhook")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.receiver
        finally:
            server.shutdown()
            thread.join()
