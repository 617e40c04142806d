"""A gateway before the API that fails as gateways do: it refuses, or cuts an answer off."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@contextmanager
def gateway(upstream, *, faults, port=0):
    """Serve `upstream`, but for the first requests, each of which meets one of the `faults`.

    A fault is called with the handler and the answer of the API; gives the address and the list
    of (method, path, Idempotency-Key) that came.
    """
    seen, left = [], list(faults)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self):
            seen.append((self.command, self.path, self.headers.get("Idempotency-Key")))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            answer = httpx.request(
                self.command, upstream + self.path, content=body, headers=headers, trust_env=False
            )
            (left.pop(0) if left else whole)(self, answer)

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


def whole(handler, answer):
    _head(handler, answer)
    handler.wfile.write(answer.content)


def cut(handler, answer):
    """Only the first half of the body."""
    _head(handler, answer)
    handler.wfile.write(answer.content[: len(answer.content) // 2])
    handler.close_connection = True


def lost(handler, _):
    """The API has done its work, and the caller never hears of it."""
    handler.close_connection = True


def bad_gateway(handler, _):
    body = b"<html>502</html>"
    handler.send_response(502)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _head(handler, answer):
    handler.send_response(answer.status_code)
    for name in ("Content-Type", "Location", "Retry-After"):
        if name in answer.headers:
            handler.send_header(name, answer.headers[name])
    handler.send_header("Content-Length", str(len(answer.content)))
    handler.end_headers()
