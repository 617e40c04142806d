"""Health endpoints of a worker: liveness, startup and readiness."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from runtime.host_names import CannotListen, host_name, is_loopback, listening_sockets
from workers.preflight import UnsafeConfiguration

if TYPE_CHECKING:
    import socket

    from workers.parent.readiness import Readiness

Problem = dict[str, Any] | None
"""Why a check fails; None if it passes."""
Metrics = Callable[[str], tuple[bytes, str]]
"""The answer to a scrape with an Accept header, and its content type."""


class HealthServer:
    """`/livez`, `/startupz`, `/readyz` and perhaps `/metrics`, in threads of the parent.

    Raises `UnsafeConfiguration` if it cannot listen on this address.
    """

    def __init__(
        self, host: str, port: int, readiness: Readiness, metrics: Metrics | None = None
    ) -> None:
        checks: dict[str, Callable[[], Problem]] = {
            "/livez": lambda: None,
            "/startupz": readiness.not_started_reason,
            "/readyz": readiness.not_ready_reason,
        }
        aliases = {"/health": "/livez", "/startup": "/startupz"}
        routes = checks | {alias: checks[path] for alias, path in aliases.items()}
        scrape = None if metrics is None else staticmethod(metrics)
        handler = type("Handler", (_Handler,), {"checks": routes, "scrape": scrape})
        try:
            listening, *others = listening_sockets(host, port)
        except CannotListen as error:
            raise UnsafeConfiguration(
                f"kinomill worker: cannot answer health checks on {host}:{port} "
                f"({error.reason}): set KINOMILL_HEALTH_PORT to another port."
            ) from error
        for other in others:
            other.close()
        self._server = _Server(listening, handler)

    @property
    def port(self) -> int:
        """The port that it listens on; the system chose it if the setting is 0."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Start to answer, in a thread."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Answers on a socket that listens already, of IPv4 or IPv6."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("", 0), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_port = int(listening.getsockname()[1])


class _Handler(BaseHTTPRequestHandler):
    checks: dict[str, Callable[[], Problem]]
    scrape: Metrics | None
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        if not self._is_for_this_machine():
            self._respond(HTTPStatus.MISDIRECTED_REQUEST, {"status": "host_not_allowed"})
            return
        path = self.path.partition("?")[0]
        if path == "/metrics" and self.scrape is not None:
            self._send(HTTPStatus.OK, *self.scrape(self.headers.get("Accept", "")))
            return
        check = self.checks.get(path)
        if check is None:
            self._respond(HTTPStatus.NOT_FOUND, {"status": "not_found"})
            return
        problem = check()
        if problem is None:
            self._respond(HTTPStatus.OK, {"status": "ok"})
        else:
            self._respond(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable"} | problem)

    do_HEAD = do_GET

    def _is_for_this_machine(self) -> bool:
        """Whether Host is a loopback name, on a port of the loopback interface (DNS rebinding)."""
        listens_on, host = self.connection.getsockname()[0], self.headers.get("Host", "localhost")
        return not is_loopback(listens_on) or is_loopback(host_name(host))

    def log_message(self, *_: object) -> None:
        """Log nothing: probes come every few seconds."""

    def _respond(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
