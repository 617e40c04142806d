"""An app that answers how many bytes of a body it got, and raw connections to it."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager

from api.connections.limits import ConnectionLimits
from tests.api.serving import running

FAST = ConnectionLimits(connections=8, per_address=8, read_seconds=1.0)
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


async def app(scope, receive, send):
    """`/hold` never answers, `/headers` with names; others with the number of bytes of the body."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    while scope["path"] == "/hold":
        if (await receive())["type"] == "http.disconnect":
            return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    names = b",".join(name for name, _ in scope["headers"])
    body = names if scope["path"] == "/headers" else b"%d" % size
    await send({"type": "http.response.body", "body": body})


@contextmanager
def echoing(limits=FAST):
    """Serve the app; yields its port and the server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        running(app, listener, limits) as server,
    ):
        yield listener.getsockname()[1], server


def connect(port, data=b""):
    """A connection on which these bytes were sent."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=20)
    opened.sendall(data)
    return opened


def rest(opened):
    """All that the server sends until it closes the connection."""
    received = b""
    with opened:
        while data := opened.recv(65536):
            received += data
    return received


def answered(response):
    """Status and body of a response; the body of a problem is parsed."""
    head, _, body = response.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, json.loads(body) if b"application/problem+json" in head else body


def drip(opened, piece, seconds):
    """Send a piece every tenth of a second; returns how long the server took them."""
    began = time.monotonic()
    opened.settimeout(0.1)
    with opened:
        while time.monotonic() - began < seconds:
            try:
                opened.sendall(piece)
                if opened.recv(65536) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - began
