"""A gateway in front of the API that fails as gateways do: it refuses or loses responses."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@contextmanager
def gateway(upstream, *, faults, port=0):
    """Relay requests to `upstream`; each of the first ones meets one of the `faults`.

    A fault is called with the handler and the response of the API. Yields the URL and the list of
    requests so far: (method, path, Idempotency-Key).
    """
    seen, remaining = [], list(faults)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self):
            seen.append((self.command, self.path, self.headers.get("Idempotency-Key")))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            response = httpx.request(
                self.command, upstream + self.path, content=body, headers=headers, trust_env=False
            )
            (remaining.pop(0) if remaining else forward)(self, response)

        do_GET = do_POST = do_DELETE = relay

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forward(handler, response):
    _head(handler, response)
    handler.wfile.write(response.content)


def truncate(handler, response):
    """Send only the first half of the body."""
    _head(handler, response)
    handler.wfile.write(response.content[: len(response.content) // 2])
    handler.close_connection = True


def drop_response(handler, _):
    """Close the connection: the API has handled the request, and the caller does not know."""
    handler.close_connection = True


def bad_gateway(handler, _):
    body = b"<html>502</html>"
    handler.send_response(502)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _head(handler, response):
    handler.send_response(response.status_code)
    for name in ("Content-Type", "Location", "Retry-After", "ETag", "Content-Range"):
        if name in response.headers:
            handler.send_header(name, response.headers[name])
    handler.send_header("Content-Length", str(len(response.content)))
    handler.end_headers()
