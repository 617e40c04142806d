"""The files of one submission: received, checked by content, then made objects together."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from api.bodies.incoming_file import IncomingFile
from api.context.sharing.fair_slots import CALLER
from api.errors.validation import rejected_media
from jobs.errors import ErrorCode, FieldError, RequestError, file_not_found
from jobs.ids import input_key
from models.spec import MediaKind
from runtime.media.formats import MIN_SIDE
from storage.base import ObjectNotFound
from storage.sniffing.data_uri import parse_data_uri
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media, for_field
from storage.web.input_source import check_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.context.app_context import AppContext
    from api.context.sharing.turns import Turns


@dataclass
class Staging:
    """The files of one request, from their first byte until `close`."""

    context: AppContext
    account: str
    data_uris: dict[str, IncomingFile] = field(default_factory=dict)
    """Files that were data URIs, by the placeholder that stands for each in the JSON."""
    files: dict[str, IncomingFile] = field(default_factory=dict)
    """Accepted files by the name of their field."""
    min_sides: Mapping[str, int] = field(default_factory=dict)
    """The shortest side of an image by the name of its field, where it is not the usual one."""
    _received: list[IncomingFile] = field(default_factory=list)
    _has_slot: bool = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if any(file.upload is not None for file in self._received):
                with suppress(TimeoutError):  # of a disk that hangs: the files are swept later
                    await self.context.closing.run(self._close)
        finally:
            if self._has_slot:
                self.context.upload_slots.release(CALLER.get(), error)

    @property
    def turns(self) -> Turns:
        """Turns of the work on bodies."""
        return self.context.turns

    @property
    def received(self) -> bool:
        """Whether the request brought files."""
        return bool(self._received)

    def new_file(self, filename: str = "") -> IncomingFile:
        """A file whose bytes begin to arrive."""
        context, file_id = self.context, self.context.file_ids.new(self.account)
        file = IncomingFile(
            file_id,
            lambda: context.storage.begin(input_key(file_id), scratch=context.scratch_path),
            context.url_policy.limit_bytes,
            filename=filename,
        )
        self._received.append(file)
        return file

    async def append(self, file: IncomingFile, data: bytes) -> None:
        """Take further bytes of a file. Raises `RequestError` (too_many_uploads)."""
        if file.append(data):
            await self._take_slot()
            await self.context.storage_calls.run(file.flush)

    async def flush_all(self) -> None:
        """Write what waits in the buffers."""
        waiting = [file for file in self._received if file.has_buffered]
        if waiting:
            await self._take_slot()
            for file in waiting:
                await self.context.storage_calls.run(file.flush)

    def accept_upload(self, name: str, kind: MediaKind, file: IncomingFile) -> str:
        """Accept a file of this request for a field; returns its id. Raises `RequestError`."""
        upload = file.upload
        limit = self.context.url_policy.limit_bytes(kind.value)
        if file.over_limit or (upload is not None and upload.size_bytes > limit):
            raise self._too_large(name, kind)
        try:
            if file.rejected is not None:
                raise for_field(file.rejected, kind.value)
            if upload is None:
                check_media(b"", kind.value)
            else:
                check_media(upload.path, kind.value)
                if kind is MediaKind.IMAGE:
                    check_image(upload.path, min_side=self.min_sides.get(name, MIN_SIDE))
        except MediaRejected as error:
            raise _rejected(error, name) from error
        self.files[name] = file
        return file.id

    def accept_uri(self, name: str, kind: MediaKind, uri: str) -> str:
        """Accept a URL as it is, the id of an uploaded file, or a data URI as a new file.

        Raises `RequestError`.
        """
        if not uri:
            empty = MediaRejected("url_not_allowed", "is empty: send a URL or a file")
            raise _rejected(empty, name)
        try:
            if uri in self.data_uris:
                return self.accept_upload(name, kind, self.data_uris[uri])
            if uri.startswith("data:"):
                return self._accept_data(name, kind, uri)
            file_id = self._file_id(uri)
            if file_id is not None:
                return self._uploaded_before(name, file_id)
            check_source(uri, self.context.url_policy)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        return uri

    def store(self) -> None:
        """Make all accepted files objects, or none. Raises `StorageError`."""
        try:
            for file in self.files.values():
                if file.upload is not None and file.format is not None:
                    file.upload.commit(file.format.mime)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Delete the files from object storage: no job needs them."""
        for file in self.files.values():
            self.context.storage.delete(input_key(file.id))

    def _accept_data(self, name: str, kind: MediaKind, uri: str) -> str:
        file = self.new_file()
        file.append(parse_data_uri(uri, self.context.url_policy.limit_bytes(kind.value)))
        file.flush()
        return self.accept_upload(name, kind, file)

    def _file_id(self, uri: str) -> str | None:
        """The id of an uploaded file that is named so, or by the URL that its response has."""
        own = re.fullmatch(r"(.*)/v1/files/(file_[^/]+)/content", uri)
        if own and own[1] == self.context.settings.public_url:
            return own[2]
        return uri if uri.startswith("file_") else None

    def _uploaded_before(self, name: str, file_id: str) -> str:
        try:
            if self.context.file_ids.owned(self.account, file_id):
                self.context.storage.stat(input_key(file_id))
                return file_id
        except ObjectNotFound:
            pass
        raise file_not_found(name)

    async def _take_slot(self) -> None:
        if self._has_slot:
            return
        await self.context.upload_slots.take(CALLER.get())
        self._has_slot = True

    def _close(self) -> None:
        for file in self._received:
            file.close()

    def _too_large(self, name: str, kind: MediaKind) -> RequestError:
        limit = self.context.url_policy.limit_bytes(kind.value)
        message = f"the file exceeds {limit:,} bytes, the limit of this field"
        return _field_error(ErrorCode.INPUT_TOO_LARGE, name, message)


def _rejected(error: MediaRejected, name: str) -> RequestError:
    return rejected_media(error, f"/input/{name}", name)


def _field_error(code: ErrorCode, name: str, message: str) -> RequestError:
    error = FieldError(f"/input/{name}", message)
    return RequestError(code, f"{name}: {message}.", errors=(error,))
