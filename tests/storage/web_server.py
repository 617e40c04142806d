"""A web server on loopback with scripted responses, byte by byte."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Write = Callable[[bytes], None]
    Page = Callable[[Write], None]


@dataclass
class Web:
    """Pages by path. `heads` holds the received request heads, `names` their TLS server names."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    def respond(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        """Serve a complete response at a path."""
        fields = {"Content-Length": str(len(body))} | headers
        lines = [f"HTTP/1.1 {status} X", *(f"{k.replace('_', '-')}: {fields[k]}" for k in fields)]
        answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.pages[path] = lambda write: write(answer)

    def url(self, path: str = "/", host: str = "web.test", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


class _Server(ThreadingTCPServer):
    daemon_threads = False
    web: Web
    tls: ssl.SSLContext | None = None

    def handle_error(self, *_):
        """Ignore clients that close the connection: the tests provoke that."""


class _Handler(StreamRequestHandler):
    timeout = 10

    def setup(self):
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.web.heads.append(head.decode("latin-1"))
        path = head.split()[1].decode()
        self.server.web.pages[path](self.wfile.write)

    def finish(self):
        with suppress(OSError):
            super().finish()
        with suppress(OSError):
            self.request.close()


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Run the server for as long as the block lasts."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.web = web = Web(server.server_address[1])
        server.tls = tls
        if tls:
            tls.sni_callback = lambda _, name, __: web.names.append(name)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
