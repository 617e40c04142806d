"""What both clients do with files, as operations without I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kinomill.errors import Conflict, NotFound
from kinomill.files.pieces import Pieces
from kinomill.files.records import File, FilePage
from kinomill.transport.exchange import Request, exchange, exchange_json
from kinomill.transport.uploads import opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation
    from kinomill.transport.uploads import OnUpload, Upload

PATH: Final = "/v1/files"
ONE_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""A larger file is sent in pieces."""
COMPLETE_SECONDS: Final = 300.0
"""How long the server may check the bytes of a large file."""
MIN_LEFT: Final = timedelta(hours=1)
"""A stored file that expires sooner is not used again."""
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class NewFile:
    """What `upload` was called with."""

    source: Any
    filename: str | None = None
    ttl_seconds: int | None = None
    reuse: bool = True
    on_upload: OnUpload | None = None


@dataclass(frozen=True)
class FileOperations:
    """The operations on files of one client."""

    policy: RetryPolicy

    def upload(self, new: NewFile) -> Operation[File]:
        """Upload a file, unless its bytes are stored; go on with an upload that broke."""
        source = Path(new.source) if isinstance(new.source, str) else new.source
        with opened({"file": source}, new.on_upload) as uploads:
            file = uploads["file"]
            file.name = new.filename or file.name
            digest = _sha256(file)
            found = (yield from self._stored(digest)) if new.reuse else []
            for stored in found:
                if stored.status == "ready" and stored.expires_at - MIN_LEFT > datetime.now(UTC):
                    return stored
            if file.size <= ONE_REQUEST_BYTES:
                return (yield from self._send_whole(file, new))
            begun = [each for each in found if each.status == "uploading"]
            return (yield from self._send_pieces(file, digest, begun, new))

    def page(self, query: Mapping[str, Any]) -> Operation[FilePage]:
        """Get one page of files."""
        params = {name: value for name, value in query.items() if value is not None}
        return FilePage.from_json(
            (yield from exchange_json(Request("GET", PATH, params=params), self.policy))
        )

    def get(self, file: File | str) -> Operation[File]:
        """Get one file."""
        return File.from_json((yield from exchange_json(Request("GET", _path(file)), self.policy)))

    def delete(self, file: File | str) -> Operation[None]:
        """Delete a file. A missing one is no error: an earlier attempt may have deleted it."""
        try:
            yield from exchange(Request("DELETE", _path(file)), self.policy)
        except NotFound as error:
            if error.code != "file_not_found":
                raise

    def _stored(self, digest: str) -> Operation[tuple[File, ...]]:
        return (yield from self.page({"sha256": digest})).items

    def _send_whole(self, file: Upload, new: NewFile) -> Operation[File]:
        ttl = {} if new.ttl_seconds is None else {"ttl_seconds": str(new.ttl_seconds)}
        form = {"filename": file.name, **ttl}
        file.seek(0)
        request = Request("POST", PATH, form=form, files={"file": file})
        return File.from_json((yield from exchange_json(request, self.policy)))

    def _continued(self, begun: list[File]) -> Operation[dict[str, Any] | None]:
        """The first of these uploads that can go on, if any."""
        for file in begun:
            try:
                request = Request("GET", f"{_path(file)}/upload")
                return (yield from exchange_json(request, self.policy))
            except (Conflict, NotFound):
                continue
        return None

    def _send_pieces(
        self, file: Upload, digest: str, begun: list[File], new: NewFile
    ) -> Operation[File]:
        ttl = {} if new.ttl_seconds is None else {"ttl_seconds": new.ttl_seconds}
        body = {"filename": file.name, "size": file.size, "sha256": digest, **ttl}
        started = yield from self._continued(begun)
        if started is None:
            started = yield from exchange_json(Request("POST", PATH, json=body), self.policy)
        path = _path(started["id"])
        file.on_read = None
        if started.get("upload") is not None:
            pieces = Pieces(file, path, started["upload"], self.policy, new.on_upload)
            yield from pieces.send()
        done = Request("POST", f"{path}/complete", hold_seconds=COMPLETE_SECONDS)
        return File.from_json((yield from exchange_json(done, self.policy)))


def _sha256(file: Upload) -> str:
    """Digest of the whole file, in hex; it does not count as sent."""
    digest, report, file.on_read = hashlib.sha256(), file.on_read, None
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    file.seek(0)
    file.on_read = report
    return digest.hexdigest()


def _path(file: File | str) -> str:
    return f"{PATH}/{quote(file if isinstance(file, str) else file.id, safe='')}"
