"""As little HTTP as a client needs that must not be slower than the server under test.

Requests are bytes that were built before. A response is read up to its Content-Length.
"""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

RECEIVE_BYTES = 65_536
REUSE_SECONDS = 3
"""Connections that were idle for longer are not used again: uvicorn closes them after 5 s."""
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


def build_request(
    method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a request on a connection that stays open."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def connect(url: str) -> socket.socket:
    """A connection to the host of a URL that sends each request at once."""
    parts = urlsplit(url)
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class ResponseReader:
    """Collects the bytes of one response after another."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self._data = b""

    def feed(self, data: bytes) -> bool:
        """Add received bytes; returns whether the response is complete."""
        self._data += data
        head_end = self._data.find(HEAD_END)
        if head_end < 0:
            return False
        body_at = head_end + len(HEAD_END)
        end = body_at + _content_length(self._data[: head_end + 2])
        if len(self._data) < end:
            return False
        self.status, self.body = int(self._data[9:12]), self._data[body_at:end]
        self._data = self._data[end:]
        return True


def _content_length(head: bytes) -> int:
    """The Content-Length of a response, 0 without one. Raises `ValueError` for a chunked one."""
    lower = head.lower()
    at = lower.find(LENGTH)
    if at < 0:
        if b"transfer-encoding" in lower:
            raise ValueError("chunked responses are not supported")
        return 0
    at += len(LENGTH)
    return int(lower[at : lower.index(b"\r", at)])


class Client:
    """One connection that sends one request at a time; a new one after a pause."""

    def __init__(self, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._reader = ResponseReader()
        self._connection: socket.socket | None = None
        self._used_at = 0.0

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request; returns the status and the JSON of the response."""
        url = self._base_url + path
        status = self.send(build_request(method, url, body, {**self._headers, **(headers or {})}))
        return status, json.loads(self._reader.body or b"null")

    def send(self, request: bytes) -> int:
        """Send a request that was built before; returns the status."""
        if self._connection is None or time.monotonic() - self._used_at > REUSE_SECONDS:
            self.close()
            self._connection = connect(self._base_url)
        self._connection.sendall(request)
        while not self._reader.feed(_receive(self._connection)):
            pass
        self._used_at = time.monotonic()
        return self._reader.status

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._reader = ResponseReader()  # a part of a response may have arrived


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        raise ConnectionResetError("the server closed the connection")
    return data


def follow(client: Client, job_id: str, *, query: str, pause: float, limit: float) -> None:
    """Read a job until it has succeeded. Raises `RuntimeError` if it ends otherwise or late."""
    deadline = time.monotonic() + limit
    while (job := client.call("GET", f"/v1/jobs/{job_id}{query}")[1])["status"] != "succeeded":
        if job["status"] in {"failed", "canceled"} or time.monotonic() > deadline:
            raise RuntimeError(f"the job did not succeed within {limit} s: {job}")
        time.sleep(pause)
