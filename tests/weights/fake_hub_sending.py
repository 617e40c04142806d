"""How the fake servers send a file over HTTP, or fail to."""

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

PIECE = 256 * 1024
HTML = b"<!DOCTYPE html><html><title>Sorry</title><body>We are having a moment.</body></html>"


class Refused(Exception):
    """An error answer: a status and, as the Hub has it, a code in X-Error-Code."""

    def __init__(self, status: int, text: str, code: str | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        coded = {"X-Error-Code": code, "X-Error-Message": text} if code else {}
        self.headers = coded | {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass(frozen=True)
class Part:
    """A range of a file as an answer has it."""

    first: int
    last: int
    size: int
    status: int
    shift: int = 0
    """How far the answer lies about where its range is."""

    def bent(self, kind: str) -> Part:
        """The part as a fault makes it."""
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
    """End the connection without another byte."""


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

    def _give(self, name: str, file: File, headers: dict[str, str | None]):
        """Response with a file or a part of it, or with the fault that waits."""
        self._count(name)
        part = self._part(file, headers.get("ETag"))
        fault = self.hub.faults.take(name, {self.command}, (part.first, part.last, part.size))
        self._refuse(fault)
        if self._instead(name, fault):
            return
        if fault and fault.kind == "change":
            file.change()
            headers = headers | {"ETag": self._etag(file)}
            part = self._part(file, headers["ETag"])
        part = part.bent(fault.kind if fault else "")
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
            waits = fault.retry_after
            headers = {} if waits is None else {"Retry_After": str(waits)}
            raise Refused(fault.status, "scripted", **headers)

    def _instead(self, name: str, fault: Fault | None) -> bool:
        """Response with something else than the file."""
        if fault and fault.kind == "html":
            self._head(200, {"Content-Type": "text/html; charset=utf-8"}, HTML)
        elif fault and fault.kind == "redirect" and (fault.to or self.host == "hub"):
            place = fault.to or f"{self.hub.cdn_url}{self._signed(name)}"
            self._head(302, {"Location": place}, b"")
        else:
            return False
        return True

    def _part(self, file: File, etag: str | None) -> Part:
        """What was asked for. A range that cannot be is refused, one without its ETag ignored."""
        size = file.size
        wanted = self.headers.get("Range")
        guard = self.headers.get("If-Range")
        if guard and (guard != etag or guard.startswith("W/")):
            wanted = None
        if not wanted or not file.ranges or self.command == "HEAD":
            return Part(0, size - 1, size, 200)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if not match:
            raise Refused(501, f"Range {wanted}")
        first, last = int(match[1]), int(match[2] or size - 1)
        if first >= size or last < first:
            raise Refused(416, "no such range", Content_Range=f"bytes */{size}")
        return Part(first, min(last, size - 1), size, 206)

    def _etag(self, file: File) -> str | None:
        return file.etag

    def _send(self, name: str, file: File, part: Part, fault: Fault | None):
        """Send bytes piece by piece: counted, paced, held, or spoilt."""
        kind = fault.kind if fault else ""
        place = fault.place(file.size) if fault else file.size + 1
        began, at = time.monotonic(), part.first
        with file.content.open("rb") if isinstance(file.content, Path) else nullcontext() as opened:
            while at <= part.last:
                end = min(at + PIECE, part.last + 1)
                if kind in {"cut", "drip", "stall"}:
                    end = min(end, place) if at < place else self._fail(fault, at)
                self._wait_for(name, file)
                with self.hub.lock:  # before: who has read a byte finds it counted
                    self.hub.counts[name].bytes += end - at
                self._piece(file, opened, at, end, place if kind == "flip" else -1)
                at = end
                self._pace(began, at - part.first)

    def _fail(self, fault: Fault, at: int) -> int:
        """At the place of the fault: end, hang, or let one byte drip."""
        if fault.kind == "stall":
            self.hub.closing.wait()
        if fault.kind == "drip" and not self.hub.closing.wait(fault.every):
            return at + 1
        raise _Cut

    def _piece(self, file: File, opened, start: int, end: int, flipped: int):
        if opened and not start <= flipped < end and end <= file.size:
            self.connection.sendfile(opened, start, end - start)
            return
        if opened:
            opened.seek(start)
            piece = opened.read(end - start)
        else:
            piece = memoryview(file.content)[start:end]
        if start <= flipped < end:
            spoilt = bytearray(piece)
            spoilt[flipped - start] ^= 1
            piece = spoilt
        self.connection.sendall(piece)
        if len(piece) < end - start:
            self.connection.sendall(b"\0" * (end - start - len(piece)))

    def _wait_for(self, name: str, file: File):
        if name in self.hub.gates:
            after, gate = self.hub.gates[name]
            if self.hub.counts[name].bytes >= after * file.size:
                gate.wait()
                if self.hub.closing.is_set():
                    raise _Cut

    def _pace(self, began: float, sent: int):
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
