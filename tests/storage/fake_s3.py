"""A strict fake of S3 on loopback: it checks every signature and rejects unknown requests (501)."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.storage.fake_s3_signatures import S3Refused, check_header, check_query

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 64 * 1024
MIN_PART = 5 * 1024 * 1024
BUCKET = "test-bucket"

Fault = int | str
"""A status to respond with, a code of an error, or one of: cut (before the request is handled),
lose_reply (after it), cut_half (in the answer), flip, truncate (what is stored), hang."""
CODES = {500: "InternalError", 503: "SlowDown", 429: "SlowDown", 403: "AccessDenied"}
STATUSES = {"ConditionalRequestConflict": 409, "NoSuchUpload": 404, "XMinioStorageFull": 507}


@dataclass
class S3Object:
    path: Path
    size: int
    etag: str
    content_type: str
    metadata: dict[str, str]
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))


@dataclass
class MultipartUpload:
    key: str
    content_type: str
    metadata: dict[str, str]
    parts: dict[int, S3Object] = field(default_factory=dict)


@dataclass
class FakeS3:
    """The server's state. Script faults with `fail`; increase `ahead` to let links expire."""

    folder: Path
    page_size: int = 1000
    ahead: timedelta = timedelta()
    url: str = ""
    objects: dict[str, S3Object] = field(default_factory=dict)
    uploads: dict[str, MultipartUpload] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, deque[Fault | None]] = field(default_factory=lambda: defaultdict(deque))
    lock: RLock = field(default_factory=RLock)
    released: Event = field(default_factory=Event)

    def fail(self, operation: str, *faults: Fault | None) -> None:
        self.faults[operation].extend(faults)

    def next_fault(self, operation: str) -> Fault | None:
        with self.lock:
            self.calls.append(operation)
            return self.faults[operation].popleft() if self.faults[operation] else None


@contextmanager
def serve(folder: Path):
    """Run the server for as long as the block lasts."""
    fake = FakeS3(folder)
    handler = type("Handler", (_Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        fake.released.set()
        server.shutdown()
        thread.join()


class _Cut(Exception):
    """Close the connection."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeS3
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (_Cut, ConnectionError):
            self.close_connection = True

    def do_GET(self):
        self._answer()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_GET

    def _answer(self):
        self.fault = None
        body = self._receive()
        try:
            url = urlsplit(self.path)
            self.query = dict(parse_qsl(url.query, keep_blank_values=True))
            operation = self._operation()
            self.fault = self.fake.next_fault(operation)
            self._inject()
            self._authorize(body)
            bucket, _, self.key = unquote(url.path).removeprefix("/").partition("/")
            if bucket != BUCKET:
                raise S3Refused(404, "NoSuchBucket")
            getattr(self, f"_{operation}")(body)
        except S3Refused as refused:
            self._error(refused)
        finally:
            body.path.unlink(missing_ok=True)

    def _operation(self):
        names = {name for name in self.query if not name.startswith(("X-Amz-", "response-"))}
        has_key = urlsplit(self.path).path.count("/") > 1
        for method, known, key, operation in ROUTES:
            if method == self.command and key == has_key and names == set(known.split()):
                return operation
        if self.command == "GET" and not has_key and self.query.get("list-type") == "2":
            known = {"list-type", "prefix", "continuation-token", "encoding-type", "max-keys"}
            if names <= known:
                return "list"
        raise S3Refused(501, "NotImplemented")

    def _inject(self):
        if self.fault == "cut":
            raise _Cut
        if self.fault == "hang":
            self.fake.released.wait()
            raise _Cut
        if isinstance(self.fault, int):
            raise S3Refused(self.fault, CODES.get(self.fault, "Unknown"))
        if self.fault in STATUSES:
            raise S3Refused(STATUSES[self.fault], self.fault)

    def _authorize(self, body):
        now = datetime.now(UTC) + self.fake.ahead
        if "X-Amz-Signature" in self.query:
            check_query(self.command, self.path, self.headers, now)
        else:
            check_header(self.command, self.path, self.headers, body.etag, datetime.now(UTC))

    def _receive(self):
        """The body as a file: its memory does not grow. `etag` is its SHA-256."""
        left = int(self.headers.get("Content-Length", 0))
        path, digest, size = self.fake.folder / uuid4().hex, hashlib.sha256(), 0
        with path.open("wb") as file:
            while left > 0 and (piece := self.rfile.read(min(PIECE, left))):
                left -= len(piece)
                size += len(piece)
                digest.update(piece)
                file.write(piece)
        kind = self.headers.get("Content-Type") or "binary/octet-stream"
        metadata = {
            name.lower().removeprefix("x-amz-meta-"): value
            for name, value in self.headers.items()
            if name.lower().startswith("x-amz-meta-")
        }
        return S3Object(path, size, digest.hexdigest(), kind, metadata)

    # writing

    def _put(self, body):
        with self.fake.lock:
            self._check_free()
            self.fake.objects[self.key] = self._kept(body)
        self._reply(200, headers={"ETag": f'"{body.etag}"'})

    def _kept(self, body):
        path = self.fake.folder / uuid4().hex
        body.path.rename(path)
        size = body.size // 2 if self.fault == "truncate" else body.size
        return replace(body, path=path, size=size)

    def _check_free(self):
        wanted = self.headers.get("If-None-Match")
        if wanted not in {None, "*"}:
            raise S3Refused(501, "NotImplemented")
        if wanted and self.key in self.fake.objects:
            raise S3Refused(412, "PreconditionFailed")

    def _start(self, body):
        upload_id = uuid4().hex
        self.fake.uploads[upload_id] = MultipartUpload(self.key, body.content_type, body.metadata)
        self._xml(
            "InitiateMultipartUploadResult",
            f"<Bucket>{BUCKET}</Bucket><Key>{escape(self.key)}</Key>"
            f"<UploadId>{upload_id}</UploadId>",
        )

    def _upload(self):
        upload = self.fake.uploads.get(self.query["uploadId"])
        if upload is None or upload.key != self.key:
            raise S3Refused(404, "NoSuchUpload")
        return upload

    def _part(self, body):
        upload, number = self._upload(), int(self.query["partNumber"])
        if not 1 <= number <= 10_000:
            raise S3Refused(400, "InvalidArgument")
        upload.parts[number] = self._kept(body)
        self._reply(200, headers={"ETag": f'"{body.etag}"'})

    def _complete(self, body):
        with self.fake.lock:
            upload = self._upload()
            self._check_free()
            stored = self._join(upload, _parts(body.path.read_bytes()))
            self.fake.objects[self.key] = stored
            del self.fake.uploads[self.query["uploadId"]]
        self._xml(
            "CompleteMultipartUploadResult",
            f"<Bucket>{BUCKET}</Bucket><Key>{escape(self.key)}</Key><ETag>{stored.etag}</ETag>",
        )

    def _join(self, upload, listed):
        path, size = self.fake.folder / uuid4().hex, 0
        with path.open("wb") as file:
            for index, (number, etag) in enumerate(listed):
                part = upload.parts.get(number)
                if part is None or part.etag != etag.strip('"'):
                    raise S3Refused(400, "InvalidPart")
                if part.size < MIN_PART and index < len(listed) - 1:
                    raise S3Refused(400, "EntityTooSmall")
                file.write(part.path.read_bytes())
                size += part.size
        etag = hashlib.sha256("".join(etag for _, etag in listed).encode()).hexdigest()
        return S3Object(path, size, f"{etag}-{len(listed)}", upload.content_type, upload.metadata)

    def _abort(self, _):
        self._upload()
        del self.fake.uploads[self.query["uploadId"]]
        self._reply(204)

    def _list_parts(self, _):
        parts = sorted(self._upload().parts.items())
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
            f"<Size>{part.size}</Size></Part>"
            for number, part in parts
        )
        self._xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def _delete(self, _):
        self.fake.objects.pop(self.key, None)
        self._reply(204)

    # reading

    def _found(self):
        stored = self.fake.objects.get(self.key)
        if stored is None:
            raise S3Refused(404, "NoSuchKey")
        if self.headers.get("If-Match", f'"{stored.etag}"').strip('"') != stored.etag:
            raise S3Refused(412, "PreconditionFailed")
        return stored

    def _head(self, _):
        stored = self._found()
        self._reply(200, headers=_shown(stored), length=stored.size)

    def _get(self, _):
        stored = self._found()
        first, last, status = 0, stored.size - 1, 200
        headers = _shown(stored)
        if wanted := self.headers.get("Range"):
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
            if not found or int(found[1]) >= stored.size:
                raise S3Refused(416, "InvalidRange")
            first, last = int(found[1]), min(int(found[2] or last), last)
            status = 206
            headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        if shown := self.query.get("response-content-disposition"):
            headers["Content-Disposition"] = shown
        with stored.path.open("rb") as file:
            file.seek(first)
            content = file.read(last - first + 1)
        if self.fault == "flip":
            content = bytes([content[0] ^ 1]) + content[1:]
        self._reply(status, content, headers)

    def _list(self, _):
        prefix, token = self.query.get("prefix", ""), self.query.get("continuation-token", "")
        keys = sorted((k for k in self.fake.objects if k.startswith(prefix)), key=str.encode)
        after = [key for key in keys if key.encode().hex() > token]
        page, more = after[: self.fake.page_size], len(after) > self.fake.page_size
        encoded = self.query.get("encoding-type") == "url"
        entries = "".join(
            f"<Contents><Key>{quote(key) if encoded else escape(key)}</Key>"
            f"<LastModified>{self.fake.objects[key].created:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<Size>{self.fake.objects[key].size}</Size></Contents>"
            for key in page
        )
        last = page[-1].encode().hex() if page else ""
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        encoding = "<EncodingType>url</EncodingType>" if encoded else ""
        self._xml(
            "ListBucketResult",
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{encoding}"
            f"{token if more else ''}{entries}",
        )

    # bytes

    def _error(self, refused):
        body = (
            f"<Error><Code>{refused.code}</Code><Message>{refused.code}</Message>"
            f"<BucketName>{urlsplit(self.path).path.split('/')[1]}</BucketName></Error>"
        )
        self._reply(refused.status, body.encode(), {"Content-Type": "application/xml"})

    def _xml(self, name, inner):
        text = f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'
        self._reply(200, text.encode(), {"Content-Type": "application/xml"})

    def _reply(self, status, body=b"", headers=None, length=None):
        if self.fault == "lose_reply":
            raise _Cut
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "cut_half":
            self.wfile.write(body[: len(body) // 2])
            raise _Cut
        self.wfile.write(body)


def _shown(stored):
    metadata = {f"x-amz-meta-{name}": value for name, value in stored.metadata.items()}
    return metadata | {
        "ETag": f'"{stored.etag}"',
        "Content-Type": stored.content_type,
        "Last-Modified": format_datetime(stored.created, usegmt=True),
    }


def _parts(document):
    space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    return [
        (int(part.findtext(f"{space}PartNumber")), part.findtext(f"{space}ETag").strip('"'))
        for part in ElementTree.fromstring(document).iter(f"{space}Part")
    ]


ROUTES = (
    ("PUT", "", True, "put"),
    ("PUT", "partNumber uploadId", True, "part"),
    ("POST", "uploads", True, "start"),
    ("POST", "uploadId", True, "complete"),
    ("DELETE", "uploadId", True, "abort"),
    ("GET", "uploadId max-parts", True, "list_parts"),
    ("DELETE", "", True, "delete"),
    ("HEAD", "", True, "head"),
    ("GET", "", True, "get"),
)
"""Method, its queries, whether it has a key, and the operation."""
