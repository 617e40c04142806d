"""A webhook receiver: records requests, and responds as a test wants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from threading import Event, Thread

from storage.web.url_policy import UrlPolicy


@dataclass(frozen=True)
class Delivery:
    """One request of the sender, and whether the response accepts the message."""

    at: float
    """`time.time()` when it had arrived."""
    headers: dict[str, str]
    body: bytes
    accepted: bool


@dataclass
class Receiver:
    """Responds with `statuses` in order, then with the last one."""

    port: int
    statuses: list[int] = field(default_factory=lambda: [204])
    deliveries: list[Delivery] = field(default_factory=list)
    """Recorded when the response begins; `came` when the request has arrived."""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    free: Event = field(default_factory=Event)
    """While it is cleared, no response is sent."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: bytes = b""
    """Sent again and again before the response, if anything."""
    endless: bool = False
    """Whether the body never ends."""
    seconds: float = 0.0
    """How long it takes to respond."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/webhook?by=kinomill"

    @property
    def policy(self):
        """A URL policy that allows this server."""
        return policy_for(self.port)


def policy_for(port):
    networks = (IPv4Network("127.0.0.0/8"),)
    return UrlPolicy(allow_http=True, allowed_networks=networks, ports=frozenset({port}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        arrived, headers = time.time(), {k.lower(): v for k, v in self.headers.items()}
        receiver.came.append((headers, body))
        receiver.free.wait(30)
        time.sleep(receiver.seconds)
        statuses = receiver.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        receiver.deliveries.append(Delivery(arrived, headers, body, 200 <= status < 300))
        try:
            while receiver.before:
                self.wfile.write(receiver.before)
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            chunked = "Transfer-Encoding" in receiver.headers
            if status != 204 and not receiver.endless and not chunked:
                self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)
            while receiver.endless:
                self.wfile.write(bytes(10_000))
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        """Suppress the log."""


@contextmanager
def receiving(tls=None):
    """Serve until the block ends, with a TLS context over https."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        server.receiver = receiver = Receiver(server.server_address[1])
        receiver.free.set()
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.free.set()
            server.shutdown()
            thread.join()


def signed(headers, body, secret):
    """Whether the signature is valid for this `whsec_…`, verified independently of our code."""
    words = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    code = base64.b64encode(hmac.new(key, words, hashlib.sha256).digest()).decode()
    return f"v1,{code}" in headers["webhook-signature"].split()
