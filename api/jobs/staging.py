"""Stages the media of a submission: checks their content, then puts them into object storage."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from api.errors.validation import rejected_media
from jobs.errors import ErrorCode, FieldError, RequestError, file_not_found
from jobs.ids import input_key
from models.spec import MediaKind
from runtime.files import sha256_file
from storage.base import ObjectNotFound
from storage.sniffing.data_uri import parse_data_uri
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

    from api.context.app_context import AppContext
    from api.context.file_ids import FileIds
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy


@dataclass(frozen=True)
class StagedFile:
    """An accepted file of a submission, on local disk and not in object storage yet."""

    id: str
    path: Path
    mime: str
    sha256: str


@dataclass
class Staging:
    """The files of one request, in a temporary folder from the first one until `close`."""

    policy: UrlPolicy
    storage: Storage
    scratch: Path
    ids: FileIds
    account: str
    files: dict[str, StagedFile] = field(default_factory=dict)

    @classmethod
    def open(cls, context: AppContext, account: str) -> Self:
        """The staging of a submission of this account."""
        scratch = context.settings.scratch
        return cls(context.url_policy, context.storage, scratch, context.file_ids, account)

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="kinomill-", dir=self.scratch)

    @property
    def used(self) -> bool:
        """Whether a file was written, so that `close` has something to delete."""
        return "_folder" in vars(self)

    def close(self) -> None:
        """Delete the local files."""
        if self.used:
            self._folder.cleanup()

    def accept_upload(self, name: str, kind: MediaKind, upload: UploadFile) -> str:
        """Accept an uploaded file; returns its new id. Raises `RequestError`."""
        if upload.size is not None and upload.size > self.policy.limit_bytes(kind.value):
            raise self._too_large(name, kind)
        path = self._path(name)
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        return self._accept(name, kind, path)

    def accept_uri(self, name: str, kind: MediaKind, uri: str) -> str:
        """Accept a URL as it is, the id of an uploaded file, or a data URI as a new file.

        Raises `RequestError`.
        """
        if not uri:
            empty = MediaRejected("url_not_allowed", "is empty: send a URL or a file")
            raise _rejected(empty, name)
        try:
            if uri.startswith("data:"):
                path = self._path(name)
                path.write_bytes(parse_data_uri(uri, self.policy.limit_bytes(kind.value)))
                return self._accept(name, kind, path)
            if uri.startswith("file_"):
                return self._uploaded_before(name, uri)
            check_url(uri, self.policy)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        return uri

    def store(self) -> None:
        """Put all accepted files into object storage, or none. Raises `StorageError`."""
        try:
            for staged in self.files.values():
                self.storage.put(input_key(staged.id), staged.path, content_type=staged.mime)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Delete the files from object storage: no job needs them."""
        for staged in self.files.values():
            self.storage.delete(input_key(staged.id))

    def _accept(self, name: str, kind: MediaKind, path: Path) -> str:
        try:
            sniffed = check_media(path, kind.value)
            if kind is MediaKind.IMAGE:
                check_image(path)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        file_id = self.ids.new(self.account)
        self.files[name] = StagedFile(file_id, path, sniffed.mime, sha256_file(path))
        return file_id

    def _uploaded_before(self, name: str, file_id: str) -> str:
        try:
            if self.ids.owned(self.account, file_id):
                self.storage.stat(input_key(file_id))
                return file_id
        except ObjectNotFound:
            pass
        raise file_not_found(name)

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _too_large(self, name: str, kind: MediaKind) -> RequestError:
        limit = self.policy.limit_bytes(kind.value)
        message = f"the file exceeds {limit:,} bytes, the limit of this field"
        return _field_error(ErrorCode.INPUT_TOO_LARGE, name, message)


def _rejected(error: MediaRejected, name: str) -> RequestError:
    return rejected_media(error, f"/input/{name}", name)


def _field_error(code: ErrorCode, name: str, message: str) -> RequestError:
    error = FieldError(f"/input/{name}", message)
    return RequestError(code, f"{name}: {message}.", errors=(error,))
