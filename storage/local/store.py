"""Object storage in a local directory, for one machine or several with a shared disk.

`objects/<key>` holds the bytes, a file beside it the metadata as JSON, `partial/` files that are
still being written. An object and its record appear together, atomically. When `put` returns, both
are on disk. A power loss before that can leave a file without a record, which is no object.

The record is an extended attribute of the object, too, where the file system has them: the flush of
the object is then that of its record, and the file beside it need not be waited for. Copies and
backups that leave attributes out have the file.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from runtime.files import fsync_folder
from storage import disk
from storage.base import (
    KeyInvalid,
    NewObject,
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StorageError,
    StoredObject,
)
from storage.local import entries
from storage.local.records import as_record, from_record, stored_now
from storage.local.uploads import LocalUploads
from storage.object_keys import RECORD_SUFFIX, check_key, check_prefix
from storage.signed_links import LinkSigner, sanitize_filename
from storage.upload import FileUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from storage.checksums import Checksum

LONGEST_UPLOAD = timedelta(days=2)
"""Files of uploads that were not modified for this long have no row any more."""


@dataclass(frozen=True)
class _Written:
    """A partial file that is on disk and becomes an object."""

    partial: Path
    stored: StoredObject
    noted: bool = False
    """Whether its record is on disk with it."""


class LocalStorage:
    """Objects below `root`, with signed links that the API serves at `<public_url>/storage/`.

    Several processes may share the directory: a file lock and a hard link decide between
    concurrent writers of a key, and do not make writers of other keys wait.
    """

    def __init__(self, root: Path, *, public_url: str, secret: bytes) -> None:
        self._root = root
        base = public_url.rstrip("/")
        self._signer = LinkSigner(f"{base}/storage", secret)
        self.uploads = LocalUploads(root / "uploads", LinkSigner(f"{base}/uploads", secret))

    @property
    def root(self) -> Path:
        """The folder with all objects, which may not exist yet."""
        return self._root

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Copy a local file into the store, with fsync, if the key is free."""
        return self.put_all([NewObject(key, path, content_type)])[0]

    def put_all(
        self, objects: Sequence[NewObject], report: Callable[[int], None] = lambda _: None
    ) -> list[StoredObject]:
        """Copy local files into the store, with one fsync for all of them in a folder."""
        written: list[_Written] = []
        with ExitStack() as cleanup, ExitStack() as undo:
            for new in objects:
                partial = cleanup.enter_context(self._partial())
                written.append(self._copy(new, partial))
                report(sum(one.stored.size_bytes for one in written))
            with disk.disk_errors():
                for one in written:
                    with self._locked(one.stored.key):
                        self._link(one)
                    undo.callback(self._delete_quietly, one.stored.key)
                for folder in dict.fromkeys(self._object_path(one.key).parent for one in objects):
                    with suppress(FileNotFoundError):  # the objects were deleted meanwhile
                        fsync_folder(folder)
            undo.pop_all()
        return [one.stored for one in written]

    def _copy(self, new: NewObject, partial: Path) -> _Written:
        written: list[_Written] = []

        def note(descriptor: int, checksum: Checksum) -> None:
            stored = stored_now(new.key, checksum, new.content_type, new.sha256)
            written.append(
                _Written(partial, stored, noted=disk.set_attribute(descriptor, as_record(stored)))
            )

        final = self._object_path(check_key(new.key))
        with new.path.open("rb") as source, disk.disk_errors():
            entries.require_folder(self._objects)
            entries.check_free(final, new.key)
            disk.copy(source, partial, note)
        return written[0]

    def begin(self, key: str, *, scratch: Callable[[], Path]) -> FileUpload:
        """Begin an object as a partial file of the store, which the commit links to its key."""
        final = self._object_path(check_key(key))

        def commit(upload: FileUpload, content_type: str) -> StoredObject:
            stored = stored_now(key, upload.checksum, content_type, upload.sha256)
            with disk.disk_errors(), self._locked(key):
                self._link(_Written(upload.path, stored))
                fsync_folder(final.parent)
            return stored

        with disk.disk_errors():
            disk.create_folders(self._partials)
        return FileUpload(self._partials, commit, errors=disk.disk_errors)

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive), at most to the end of the object."""
        size = self.stat(key).size_bytes
        path = self._object_path(key)
        return disk.read_range(path, start, size if end is None else min(end, size))

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file and verify its size and CRC32C."""
        stored = self.stat(key)
        disk.write_verified(self.open(key), stored, path)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Read the object's record and check that the file has the recorded size."""
        path = self._object_path(check_key(key))
        with _missing_as_not_found(key):
            size = path.stat().st_size
        stored = self._read_record(key)
        if size != stored.size_bytes:
            raise ObjectCorrupted(f"{key}: {size} bytes on disk, {stored.size_bytes} recorded")
        return stored

    def delete(self, key: str) -> None:
        """Delete the object, its record and the folders that are empty afterwards."""
        final = self._object_path(check_key(key))
        if not self._root.is_dir():
            return
        with disk.disk_errors(), self._locked(key):
            for path in (final, self._record_path(key)):
                with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    path.unlink()
            self._remove_empty_folders(final.parent)

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """List all objects whose key begins with the prefix, in byte order of the keys."""
        folder, _, _ = check_prefix(prefix).rpartition("/")
        start = f"{folder}/" if folder else ""
        for key in disk.walk_keys(self._object_path(folder) if folder else self._objects, start):
            if key.startswith(prefix):
                with suppress(ObjectNotFound, KeyInvalid):
                    yield self._read_record(check_key(key))

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a signed link to the API's route for this store."""
        expires = int((now + ttl).timestamp())
        return self._signer.sign(
            check_key(key), expires=expires, filename=sanitize_filename(filename)
        )

    def close(self) -> None:
        """Nothing is open between calls."""

    def verify_link(
        self, key: str, *, expires: int, filename: str, signature: str, now: datetime
    ) -> Path:
        """Verify a signed link; returns the path of its object.

        Raises `LinkInvalid`, `LinkExpired`, or `ObjectNotFound` when the object was deleted.
        """
        self._signer.verify(key, expires=expires, filename=filename, signature=signature, now=now)
        self.stat(key)
        return self._object_path(key)

    def sweep_partials(self, *, older_than: timedelta, now: datetime) -> int:
        """Delete partial files of killed writers; returns how many.

        A live writer keeps updating the mtime of its file, so `older_than` of an hour is safe.
        """
        oldest = (now - older_than).timestamp()
        swept = 0
        for partial in self._partials.glob("*"):
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < oldest:
                    partial.unlink()
                    swept += 1
        return swept + self.uploads.sweep((now - LONGEST_UPLOAD).timestamp())

    @property
    def _objects(self) -> Path:
        return self._root / "objects"

    @property
    def _partials(self) -> Path:
        return self._root / "partial"

    def _object_path(self, key: str) -> Path:
        return self._objects / key

    def _record_path(self, key: str) -> Path:
        return self._objects / f"{key}{RECORD_SUFFIX}"

    def _read_record(self, key: str) -> StoredObject:
        """Read the record; the attribute of the object if a power loss has damaged the file."""
        try:
            with _missing_as_not_found(key):
                return from_record(self._record_path(key).read_bytes(), key)
        except (ObjectNotFound, ObjectCorrupted):
            noted = disk.attribute(self._object_path(key))
            stored = None if noted is None else from_record(noted, key)
            if stored is None or stored.key != key:  # of a file that was copied by hand
                raise
        return stored

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        """The name of a partial file, which is deleted afterwards."""
        with disk.disk_errors():
            disk.create_folders(self._partials)
        partial = self._partials / uuid4().hex
        try:
            yield partial
        finally:
            with disk.disk_errors():
                partial.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Exclude other writers and deleters of the key; the kernel frees the lock of a killed one.

        Keys share 256 locks, so that most writers need not wait while others flush to disk.
        """
        folder = self._root / "locks"
        path = f"{folder}/{hashlib.sha256(key.encode()).hexdigest()[:2]}"
        lock = entries.in_folder(folder, lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            entries.lock(lock, self._root)
            yield
        finally:
            os.close(lock)

    def _link(self, written: _Written) -> None:
        """Write the record, then link the object: a reader never finds one without its record.

        The caller flushes the object's folder.
        """
        stored = written.stored
        final = self._object_path(stored.key)
        try:
            entries.check_free(final, stored.key)
            with ExitStack() as undo:
                undo.callback(self._discard_record, stored.key)
                entries.in_folder(final.parent, lambda: self._write_record(written))
                entries.in_folder(final.parent, lambda: entries.link(written.partial, final))
                undo.pop_all()
        except FileExistsError as error:
            raise ObjectExists(stored.key) from error
        except NotADirectoryError as error:
            entries.require_folder(self._objects)
            raise KeyInvalid(f"{stored.key}: a part of the key is an existing object") from error

    def _delete_quietly(self, key: str) -> None:
        with suppress(StorageError):  # the error that made it necessary is reported
            self.delete(key)

    def _discard_record(self, key: str) -> None:
        with suppress(OSError):
            self._record_path(key).unlink()
        self._remove_empty_folders(self._object_path(key).parent)

    def _write_record(self, written: _Written) -> None:
        """Write it where it stays: no reader looks at it before the object is linked."""
        record = self._record_path(written.stored.key)
        record.unlink(missing_ok=True)  # of a writer that was killed before it linked the object
        with disk.create_private(record) as file:
            file.write(as_record(written.stored))
            file.flush()
            if not written.noted:
                os.fsync(file.fileno())

    def _remove_empty_folders(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self._objects:
                folder.rmdir()
                folder = folder.parent


@contextmanager
def _missing_as_not_found(key: str) -> Iterator[None]:
    with disk.disk_errors():
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(key) from error
