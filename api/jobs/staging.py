"""The media of a submission: checked by their bytes, then put into the store."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from api.errors.validation import rejected_media
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.ids import input_key
from models.spec import MediaKind
from storage.base import ObjectNotFound
from storage.sniffing.data_uri import parse_data_uri
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.datastructures import UploadFile

    from api.files.ids import FileIds
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy


@dataclass(frozen=True)
class StagedFile:
    """A file of a submission on local disk, accepted and not stored yet."""

    id: str
    path: Path
    mime: str
    sha256: str


@dataclass
class Staging:
    """A folder of one request's files. Leave the `with` block and it is gone."""

    policy: UrlPolicy
    storage: Storage
    scratch: Path
    ids: FileIds
    account: str
    files: dict[str, StagedFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kinomill-", dir=self.scratch)

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def take_upload(self, name: str, kind: MediaKind, upload: UploadFile) -> str:
        """Accept an uploaded file; returns the id that stands for it. Raises `RequestError`."""
        if upload.size is not None and upload.size > self.policy.limit_bytes(kind.value):
            raise self._too_large(name, kind)
        path = self._path(name)
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        return self._accept(name, kind, path)

    def take_uri(self, name: str, kind: MediaKind, uri: str) -> str:
        """Accept a URI as it stands, or a data URI as a file. Raises `RequestError`."""
        if not uri:
            empty = MediaRejected("url_not_allowed", "this is empty: give an address or a file")
            raise _rejected(empty, name)
        try:
            if uri.startswith("data:"):
                path = self._path(name)
                path.write_bytes(parse_data_uri(uri, self.policy.limit_bytes(kind.value)))
                return self._accept(name, kind, path)
            if uri.startswith("file_"):
                return self._known(name, uri)
            check_url(uri, self.policy)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        return uri

    @contextmanager
    def stored(self) -> Iterator[None]:
        """Put all accepted files into the store, and take them out again if the block raises."""
        try:
            for staged in self.files.values():
                self.storage.put(input_key(staged.id), staged.path, content_type=staged.mime)
            yield
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Take the files out of the store again: no job needs them."""
        for staged in self.files.values():
            self.storage.delete(input_key(staged.id))

    def _accept(self, name: str, kind: MediaKind, path: Path) -> str:
        try:
            sniffed = check_media(path, kind.value)
            if kind is MediaKind.IMAGE:
                check_image(path)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.files[name] = StagedFile(self.ids.new(self.account), path, sniffed.mime, sha256)
        return self.files[name].id

    def _known(self, name: str, file_id: str) -> str:
        try:
            if self.ids.owned(self.account, file_id):
                self.storage.stat(input_key(file_id))
                return file_id
        except ObjectNotFound:
            pass
        message = "no file of yours has this id"
        raise _field_error(ErrorCode.FILE_NOT_FOUND, name, message)

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _too_large(self, name: str, kind: MediaKind) -> RequestError:
        message = (
            f"a file for this field may have at most {self.policy.limit_bytes(kind.value):,} bytes"
        )
        return _field_error(ErrorCode.INPUT_TOO_LARGE, name, message)


def _rejected(error: MediaRejected, name: str) -> RequestError:
    return rejected_media(error, f"/input/{name}", name)


def _field_error(code: ErrorCode, name: str, message: str) -> RequestError:
    error = FieldError(f"/input/{name}", message)
    return RequestError(code, f"{name}: {message}.", errors=(error,))
