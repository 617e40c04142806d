"""Health endpoints of a worker: liveness, startup and readiness."""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from workers.preflight import UnsafeConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.parent.readiness import Readiness

Answer = dict[str, Any] | None
"""Why not; None for yes."""


class Health:
    """`/livez`, `/startupz` and `/readyz` over HTTP, in threads of the parent."""

    def __init__(self, host: str, port: int, readiness: Readiness) -> None:
        questions: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: None,
            "/startupz": readiness.not_started_reason,
            "/readyz": readiness.not_ready_reason,
        }
        aliases = {"/health": "/livez", "/startup": "/startupz"}
        table = questions | {alias: questions[name] for alias, name in aliases.items()}
        handler = type("Handler", (_Handler,), {"questions": table})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise UnsafeConfiguration(
                f"kinomill worker: cannot answer health checks on {host}:{port} "
                f"({error.strerror}): set KINOMILL_HEALTH_PORT to another port."
            ) from error
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The port that it listens on; asked for as 0, any free one."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    questions: dict[str, Callable[[], Answer]]
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        ask = self.questions.get(self.path.partition("?")[0])
        if ask is None:
            self._answer(HTTPStatus.NOT_FOUND, {"status": "not_found"})
            return
        why_not = ask()
        if why_not is None:
            self._answer(HTTPStatus.OK, {"status": "ok"})
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable"} | why_not)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Probes come every few seconds: nobody wants to read of them."""

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
