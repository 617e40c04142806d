"""Sends files over HTTP with the faults of the fake servers."""

from __future__ import annotations

import json
import re
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from tests.weights.fake_hub import FakeHub, File
    from tests.weights.fake_hub_faults import Fault

CHUNK_BYTES = 256 * 1024
HTML = b"<!DOCTYPE html><html><title>Sorry</title><body>We are having a moment.</body></html>"


class Refused(Exception):
    """An error response: a status and, as on the Hub, a code in X-Error-Code."""

    def __init__(self, status: int, text: str, code: str | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        coded = {"X-Error-Code": code, "X-Error-Message": text} if code else {}
        self.headers = coded | {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass(frozen=True)
class Part:
    """The range of a file in one response."""

    first: int
    last: int
    size: int
    status: int
    shift: int = 0
    """Offset by which Content-Range is wrong."""

    def with_fault(self, kind: str) -> Part:
        """Return the part as changed by a fault."""
        if kind == "refuse_ranges":
            return Part(0, self.size - 1, self.size, 200)
        if kind == "wrong_range":
            return replace(self, shift=1)
        by = {"short": -1, "long": 1}.get(kind, 0)
        last = self.last + by if self.last == self.size - 1 else self.last
        return replace(self, first=min(self.first, last), last=last, size=self.size + by)

    def headers(self, file: File) -> dict[str, str]:
        headers = {
            "Content-Type": file.content_type,
            "Content-Length": str(self.last - self.first + 1),
        }
        if file.ranges:
            headers["Accept-Ranges"] = "bytes"
        if self.status == 206:
            first, last = self.first + self.shift, self.last + self.shift
            headers["Content-Range"] = f"bytes {first}-{last}/{self.size}"
        return headers


class _Cut(Exception):
    """Closes the connection without another byte."""


class Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    host: str
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (OSError, _Cut):
            self.close_connection = True

    def do_GET(self):
        from tests.weights.fake_hub import Seen

        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.host, self.command, self.path, headers, self.client_address[1])
        self.hub.seen.append(seen)
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            self.route(url.path, seen)
        except Refused as refused:
            body = json.dumps({"error": str(refused)}).encode()
            self._head(refused.status, {"Content-Type": "application/json"} | refused.headers, body)

    do_HEAD = do_POST = do_GET

    # one file

    def _send_file(self, name: str, file: File, headers: dict[str, str | None]):
        """Send a file or a range of it, or the next fault."""
        self._count(name)
        part = self._part(file, headers.get("ETag"))
        fault = self.hub.faults.take(name, {self.command}, (part.first, part.last, part.size))
        self._refuse(fault)
        if self._send_replacement(name, fault):
            return
        if fault and fault.kind == "change":
            file.change()
            headers = headers | {"ETag": self._etag(file)}
            part = self._part(file, headers["ETag"])
        part = part.with_fault(fault.kind if fault else "")
        self.send_response(part.status)
        for key, value in (headers | part.headers(file)).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self._send(name, file, part, fault)

    def _count(self, name: str):
        with self.hub.lock:
            count = self.hub.counts[name]
            count.heads += self.command == "HEAD"
            count.requests += self.command == "GET"

    def _refuse(self, fault: Fault | None):
        if fault and fault.kind == "status":
            delay = fault.retry_after
            headers = {} if delay is None else {"Retry_After": str(delay)}
            raise Refused(fault.status, "scripted", **headers)

    def _send_replacement(self, name: str, fault: Fault | None) -> bool:
        """Send a page or a redirect instead of the file, if the fault says so."""
        if fault and fault.kind == "html":
            self._head(200, {"Content-Type": "text/html; charset=utf-8"}, HTML)
        elif fault and fault.kind == "redirect" and (fault.to or self.host == "hub"):
            target = fault.to or f"{self.hub.cdn_url}{self._signed(name)}"
            self._head(302, {"Location": target}, b"")
        else:
            return False
        return True

    def _part(self, file: File, etag: str | None) -> Part:
        """Return the requested range. An invalid one is rejected, one for another ETag ignored."""
        size = file.size
        requested = self.headers.get("Range")
        if_range = self.headers.get("If-Range")
        if if_range and (if_range != etag or if_range.startswith("W/")):
            requested = None
        if not requested or not file.ranges or self.command == "HEAD":
            return Part(0, size - 1, size, 200)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", requested)
        if not match:
            raise Refused(501, f"Range {requested}")
        first, last = int(match[1]), int(match[2] or size - 1)
        if first >= size or last < first:
            raise Refused(416, "no such range", Content_Range=f"bytes */{size}")
        return Part(first, min(last, size - 1), size, 206)

    def _etag(self, file: File) -> str | None:
        return file.etag

    def _send(self, name: str, file: File, part: Part, fault: Fault | None):
        """Send bytes in chunks: counted, throttled, held, or corrupted."""
        kind = fault.kind if fault else ""
        fault_offset = fault.offset(file.size) if fault else file.size + 1
        began, at = time.monotonic(), part.first
        with file.content.open("rb") if isinstance(file.content, Path) else nullcontext() as opened:
            while at <= part.last:
                end = min(at + CHUNK_BYTES, part.last + 1)
                if kind in {"cut", "drip", "stall"}:
                    end = min(end, fault_offset) if at < fault_offset else self._fail(fault, at)
                self._wait_at_gate(name, file)
                with self.hub.lock:  # before sending: a byte that was read must be counted already
                    self.hub.counts[name].bytes += end - at
                self._send_chunk(file, opened, at, end, fault_offset if kind == "flip" else -1)
                at = end
                self._throttle(began, at - part.first)

    def _fail(self, fault: Fault, at: int) -> int:
        """At the offset of the fault: close, hang, or let one more byte through."""
        if fault.kind == "stall":
            self.hub.closing.wait()
        if fault.kind == "drip" and not self.hub.closing.wait(fault.every):
            return at + 1
        raise _Cut

    def _send_chunk(self, file: File, opened, start: int, end: int, flipped: int):
        if opened and not start <= flipped < end and end <= file.size:
            self.connection.sendfile(opened, start, end - start)
            return
        if opened:
            opened.seek(start)
            chunk = opened.read(end - start)
        else:
            chunk = memoryview(file.content)[start:end]
        if start <= flipped < end:
            corrupted = bytearray(chunk)
            corrupted[flipped - start] ^= 1
            chunk = corrupted
        self.connection.sendall(chunk)
        if len(chunk) < end - start:
            self.connection.sendall(b"\0" * (end - start - len(chunk)))

    def _wait_at_gate(self, name: str, file: File):
        if name in self.hub.gates:
            after, gate = self.hub.gates[name]
            if self.hub.counts[name].bytes >= after * file.size:
                gate.wait()
                if self.hub.closing.is_set():
                    raise _Cut

    def _throttle(self, began: float, sent: int):
        if self.hub.bytes_per_second:
            ahead = sent / self.hub.bytes_per_second - (time.monotonic() - began)
            if ahead > 0:
                self.hub.closing.wait(ahead)

    def _signed(self, path: str) -> str:
        return f"{quote(path)}?Expires=soon&Signature={self.hub.epoch}"

    def _json(self, body, **headers: str):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body).encode()
        self._head(200, {"Content-Type": "application/json"} | named, content)

    def _head(self, status: int, headers: dict[str, str], body: bytes):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
