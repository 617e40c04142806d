"""A proxy on loopback that tunnels every host to 127.0.0.1 and records the requests."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


class _Handler(StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        self.server.heads.append(head.decode())
        port = int(head.split()[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as far:
            self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = Thread(target=_pump, args=(far, self.request))
            back.start()
            _pump(self.request, far)
            back.join()


def _pump(source, target):
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Server(ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def proxy():
    """Run the proxy; yields its address and the heads of received requests."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.heads = []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", server.heads
        finally:
            server.shutdown()
            thread.join()
