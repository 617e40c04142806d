"""A strict fake of Google Cloud Storage on loopback: it rejects unknown requests (501)."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from google.auth import jwt

from tests.storage.fake_gcs_links import LinkRefused, check_link
from tests.storage.fake_gcs_objects import Bucket, Refused, Session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.service_account import ServiceAccount

PIECE = 64 * 1024
GRAIN = 256 * 1024

Fault = int | str
"""A status to respond with, or one of: cut, cut_half, keep_half, lose_reply, forget,
finish_and_forget, truncate, flip, wrong_crc, hang (until `released`)."""


@dataclass
class FakeGcs:
    """The server's state. Script faults with `fail`; increase `ahead` to let links expire."""

    account: ServiceAccount
    bucket: Bucket
    page_size: int = 1000
    ahead: timedelta = timedelta()
    public: bool = False
    """Whether reads need no token."""
    url: str = ""
    calls: list[str] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    lock: RLock = field(default_factory=RLock)
    released: Event = field(default_factory=Event)
    """Ends the hanging of requests; set when the server stops."""

    def fail(self, operation: str, *faults: Fault) -> None:
        self.faults[operation].extend(faults)

    def next_fault(self, operation: str) -> Fault | None:
        with self.lock:
            self.calls.append(operation)
            return self.faults[operation].popleft() if self.faults[operation] else None

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@contextmanager
def serve(account: ServiceAccount, folder: Path):
    """Run the server for as long as the block lasts."""
    fake = FakeGcs(account, Bucket("test-bucket", folder))
    handler = type("Handler", (_Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            fake.released.set()
            server.shutdown()
            thread.join()


class _Cut(Exception):
    """Close the connection without sending another byte."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGcs
    protocol_version = "HTTP/1.1"
    timeout = 10

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, _Cut):
            self.close_connection = True

    def do_GET(self):
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _answer(self):
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.unread = int(self.headers.get("Content-Length", 0))
        self.fault = None
        try:
            self._route(url.path)
        except Refused as refused:
            self._drain()
            self._json(refused.status, {"error": {"code": refused.status, "message": str(refused)}})

    def _route(self, path):
        for method, pattern, names, operation in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split("|"):
                unknown = set(self.query) - set(names.split()) - {"prettyPrint"}
                if unknown and names != "*":
                    raise Refused(501, f"{operation}: unknown parameters {unknown}")
                if operation == "upload":
                    kind = self.query.get("uploadType")
                    operation = {"multipart": "multipart", "resumable": "start"}.get(kind, "")
                    if not operation:
                        raise Refused(501, f"uploadType {kind}")
                self._obey(operation)
                getattr(self, f"_{operation}")(*(unquote(group) for group in match.groups()))
                return
        raise Refused(501, f"no such call here: {self.command} {path}")

    def _obey(self, operation):
        self.fault = self.fake.next_fault(operation)
        if isinstance(self.fault, int):
            raise Refused(self.fault, "scripted")
        if self.fault == "hang":
            self.fake.released.wait()
        if self.fault in {"cut", "hang"}:
            raise _Cut

    # authentication

    def _token(self):
        form = dict(parse_qsl(self._body().decode()))
        claims = jwt.decode(form["assertion"], certs=self.fake.account.public_pem, verify=True)
        if claims["iss"] != self.fake.account.email:
            raise Refused(401, "unknown account")
        self._json(200, {"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600})

    def _sign(self, email):
        self._authorize()
        if email != self.fake.account.email:
            raise Refused(403, "not this account")
        payload = json.loads(self._body())["payload"]
        self._json(200, {"signedBlob": self.fake.account.sign_base64(payload)})

    def _authorize(self):
        sent = self.headers.get("Authorization")
        if self.fake.public and self.command == "GET" and sent is None:
            return
        if sent != "Bearer token-1":
            raise Refused(401, "no valid token")

    # upload

    def _multipart(self, bucket):
        self._enter(bucket)
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"]).group(1).encode()
        _, head, tail, _ = self._body().split(b"--" + boundary)
        metadata = json.loads(head.partition(b"\r\n\r\n")[2])
        part, _, content = tail.partition(b"\r\n\r\n")
        session = self._session(metadata, re.search(rb"(?i)content-type: (.+)", part).group(1))
        with session.path.open("wb") as file:
            file.write(content.removesuffix(b"\r\n"))
        self._json(200, self._finish(session))

    def _start(self, bucket):
        self._enter(bucket)
        kind = self.headers["X-Upload-Content-Type"].encode()
        session = self._session(json.loads(self._body()), kind)
        session.total = int(self.headers["X-Upload-Content-Length"])
        self.fake.bucket.check(session.name, session.if_generation)
        self.fake.sessions[session.id] = session
        self._reply(200, b"", {"Location": f"{self.fake.url}{self.path}&upload_id={session.id}"})

    def _chunk(self, bucket):
        """The URL of a session is its own permission: no token is needed."""
        if bucket != self.fake.bucket.name:
            raise Refused(404, "The specified bucket does not exist.")
        session = self.fake.sessions.get(self.query["upload_id"])
        if self.fault == "forget" or session is None:
            self.fake.sessions.pop(self.query["upload_id"], None)
            raise Refused(410 if session else 404, "the upload session is gone")
        asked = self.headers["Content-Range"] == f"bytes */{session.total}"
        if session.resource is None and not (asked and self.unread == 0):
            self._append(session)
        else:
            self._drain()
        if session.size < session.total:
            kept = {"Range": f"bytes=0-{session.size - 1}"} if session.size else {}
            self._reply(308, b"", kept)
            return
        session.resource = session.resource or self._finish(session)
        if self.fault == "finish_and_forget":
            del self.fake.sessions[session.id]
        self._json(200, session.resource)

    def _append(self, session):
        sent = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", self.headers["Content-Range"])
        if not sent:
            raise Refused(501, f"Content-Range {self.headers['Content-Range']}")
        first, last = int(sent[1]), int(sent[2])
        if last - first + 1 != self.unread or first > session.size:
            raise Refused(400, "these bytes do not fit")
        if last + 1 != session.total and self.unread % GRAIN:
            raise Refused(400, "all parts but the last are multiples of 256 KiB")
        halved = self.fault in {"cut_half", "keep_half"}
        keep = self.unread // 2 // GRAIN * GRAIN if halved else self.unread
        with session.path.open("r+b" if session.path.exists() else "w+b") as file:
            file.seek(first)
            for piece in self._pieces(keep):
                file.write(piece)
        if self.fault == "cut_half":
            raise _Cut
        self._drain()

    def _session(self, metadata, content_type):
        unknown = set(metadata) - {"name", "metadata", "crc32c", "contentType"}
        if unknown:
            raise Refused(501, f"unknown metadata {unknown}")
        generation = self.query.get("ifGenerationMatch")
        return Session(
            folder=self.fake.bucket.folder,
            name=metadata["name"],
            crc32c=metadata.get("crc32c"),
            labels=metadata.get("metadata", {}),
            content_type=content_type.decode().strip(),
            if_generation=None if generation is None else int(generation),
        )

    def _finish(self, session):
        with self.fake.lock:
            stored = self.fake.bucket.add(session, corrupt=self.fault)
        resource = stored.resource(self.fake.bucket.name)
        return resource | {"crc32c": "AAAAAA=="} if self.fault == "wrong_crc" else resource

    # reading

    def _stat(self, bucket, name):
        self._enter(bucket)
        self._json(200, self._found(name).resource(bucket))

    def _media(self, bucket, name):
        self._enter(bucket)
        stored = self._found(name)
        goog = {
            "X-Goog-Generation": str(stored.generation),
            "X-Goog-Hash": f"crc32c={stored.crc32c}",
            "X-Goog-Stored-Content-Length": str(stored.size),
        }
        self._send_file(stored, goog)

    def _link(self, bucket, name):
        if "X-Goog-Signature" not in self.query or bucket != self.fake.bucket.name:
            raise Refused(501, f"no such call here: {self.command} /{bucket}/{name}")
        try:
            check_link(self.command, self.path, self.headers, self.fake.account, self.fake.now())
        except LinkRefused as refused:
            self._reply(refused.status, f"<Error><Code>{refused}</Code></Error>".encode(), {})
            return
        shown = self.query.get("response-content-disposition")
        stored = self._found(name)
        self._send_file(stored, {"Content-Disposition": shown} if shown else {})

    def _list(self, bucket):
        self._enter(bucket)
        names = sorted(
            (n for n in self.fake.bucket.objects if n.startswith(self.query.get("prefix", ""))),
            key=str.encode,
        )
        first = int(self.query.get("pageToken", 0))
        last = first + min(self.fake.page_size, int(self.query.get("maxResults", 1000)))
        items = [
            self._shown(self.fake.bucket.objects[n].resource(bucket)) for n in names[first:last]
        ]
        page = {"items": items} if items else {}
        self._json(200, page | ({"nextPageToken": str(last)} if last < len(names) else {}))

    def _shown(self, resource):
        if "fields" not in self.query:
            return resource
        wanted = re.fullmatch(r"items\(([\w,]+)\),nextPageToken", self.query["fields"])
        if not wanted or set(wanted[1].split(",")) - set(resource):
            raise Refused(501, f"fields {self.query['fields']}")
        return {name: resource[name] for name in wanted[1].split(",")}

    def _delete(self, bucket, name):
        self._enter(bucket)
        stored = self._found(name)
        wanted = self.query.get("ifGenerationMatch", str(stored.generation))
        if wanted != str(stored.generation):
            raise Refused(412, "another generation")
        del self.fake.bucket.objects[name]
        self._reply(204, b"", {})

    def _enter(self, bucket):
        self._authorize()
        if bucket != self.fake.bucket.name:
            raise Refused(404, "The specified bucket does not exist.")

    def _found(self, name):
        stored = self.fake.bucket.objects.get(name)
        if not stored or self.query.get("generation", str(stored.generation)) != str(
            stored.generation
        ):
            raise Refused(404, f"No such object: {name}")
        return stored

    # bytes

    def _send_file(self, stored, headers):
        first, last, status = 0, stored.size - 1, 200
        if wanted := self.headers.get("Range"):
            first, last = stored.range_of(wanted)
            status = 206
            headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        content = stored.read(first, last)
        if self.fault == "flip":
            content = bytes([content[0] ^ 1]) + content[1:]
        headers["Content-Type"] = stored.content_type
        self._reply(status, content, headers)

    def _json(self, status, body):
        self._reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _reply(self, status, body, headers):
        if self.fault in {"lose_reply", "finish_and_forget"}:
            raise _Cut
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            if status != 204 or name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "cut_half":
            self.wfile.write(body[: len(body) // 2])
            raise _Cut
        self.wfile.write(body)

    def _pieces(self, size):
        while size > 0:
            piece = self.rfile.read(min(PIECE, size))
            if not piece:
                raise _Cut
            size -= len(piece)
            self.unread -= len(piece)
            yield piece

    def _body(self):
        return b"".join(self._pieces(self.unread))

    def _drain(self):
        for _ in self._pieces(self.unread):
            pass


_UPLOAD = r"/upload/storage/v1/b/([^/]+)/o"
_OBJECTS = r"/storage/v1/b/([^/]+)/o"

ROUTES = (
    ("POST", r"/token", "", "token"),
    ("POST", r"/v1/projects/-/serviceAccounts/([^/:]+):signBlob", "alt", "sign"),
    ("PUT", _UPLOAD, "uploadType upload_id ifGenerationMatch", "chunk"),
    ("GET", rf"/download{_OBJECTS}/([^/]+)", "alt generation", "media"),
    ("GET", _OBJECTS, "prefix projection fields maxResults pageToken", "list"),
    ("GET", rf"{_OBJECTS}/([^/]+)", "projection generation", "stat"),
    ("DELETE", rf"{_OBJECTS}/([^/]+)", "ifGenerationMatch generation", "delete"),
    ("POST", _UPLOAD, "uploadType ifGenerationMatch", "upload"),
    ("GET|HEAD", r"/([^/]+)/(.+)", "*", "link"),
)
