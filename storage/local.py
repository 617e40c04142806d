"""Objects in a directory: the store of a laptop, and of one machine with a shared disk.

`objects/<key>` holds the bytes, `records/` what is known of them, `partial/` what is being
written. An object appears whole, with its record, or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from storage import disk
from storage.base import (
    KeyInvalid,
    ObjectCorrupted,
    ObjectExists,
    ObjectNotFound,
    StoredObject,
)
from storage.object_keys import check_key, check_prefix
from storage.signed_links import LinkSigner, fit_filename

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from pathlib import Path

    from storage.checksums import Tally


class LocalStorage:
    """Objects below `root`, with links that the API serves at `<public_url>/storage/`.

    Several processes may share the directory: writers settle a race by a lock and a hard link.
    """

    def __init__(self, root: Path, *, public_url: str, secret: bytes) -> None:
        self._root = root
        self._signer = LinkSigner(f"{public_url.rstrip('/')}/storage", secret)

    def put(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Copy a local file into the store, whole and on disk, if the key is free."""
        final = self._object(check_key(key))
        with path.open("rb") as source, disk.disk_errors(), self._partial() as partial:
            _refuse_taken(final, key)
            stored = _stored(key, disk.copy(source, partial), content_type)
            with self._locked():
                self._commit(partial, final, stored)
        return stored

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Stream the bytes `start` to `end` (exclusive), or what there is of them."""
        size = self.stat(key).size_bytes
        return disk.range_of(self._object(key), start, size if end is None else min(end, size))

    def download(self, key: str, path: Path) -> StoredObject:
        """Write the object to a local file, checked against its record."""
        stored = self.stat(key)
        disk.write_verified(self.open(key), stored, path)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Read the object's record, and see that the object is there at that size."""
        stored = self._recorded(check_key(key))
        with _found(key):
            size = self._object(key).stat().st_size
        if size != stored.size_bytes:
            raise ObjectCorrupted(f"{key}: {size} bytes on disk, {stored.size_bytes} recorded")
        return stored

    def delete(self, key: str) -> None:
        """Remove the object, its record and the folders that this leaves empty."""
        final = self._object(check_key(key))
        if not self._root.is_dir():
            return
        with disk.disk_errors(), self._locked():
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                final.unlink()
                self._record(key).unlink(missing_ok=True)
            self._prune(final.parent)

    def keys(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with the prefix, in key order."""
        folder, _, _ = check_prefix(prefix).rpartition("/")
        start = f"{folder}/" if folder else ""
        for key in disk.walk(self._object(folder) if folder else self._objects, start):
            if key.startswith(prefix):
                with suppress(ObjectNotFound, KeyInvalid):
                    yield self._recorded(check_key(key))

    def signed_url(self, key: str, *, ttl: timedelta, now: datetime, filename: str) -> str:
        """Return a link to the API's route for this store."""
        expires = int((now + ttl).timestamp())
        return self._signer.link(check_key(key), expires=expires, filename=fit_filename(filename))

    def verify(
        self, key: str, *, expires: int, filename: str, signature: str, now: datetime
    ) -> Path:
        """Return the file behind a link.

        Raises `LinkInvalid`, `LinkExpired`, or `ObjectNotFound` when it was deleted meanwhile.
        """
        self._signer.check(key, expires=expires, filename=filename, signature=signature, now=now)
        self.stat(key)
        return self._object(key)

    def sweep_partials(self, *, older_than: timedelta, now: datetime) -> int:
        """Remove what killed writers left, and say how many files that was.

        A living writer touches its file all the time, so an hour is plenty.
        """
        oldest = (now - older_than).timestamp()
        swept = 0
        for partial in self._partials.glob("*"):
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < oldest:
                    partial.unlink()
                    swept += 1
        return swept

    @property
    def _objects(self) -> Path:
        return self._root / "objects"

    @property
    def _partials(self) -> Path:
        return self._root / "partial"

    def _object(self, key: str) -> Path:
        return self._objects / key

    def _record(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._root / "records" / name[:2] / f"{name}.json"

    def _recorded(self, key: str) -> StoredObject:
        with _found(key):
            text = self._record(key).read_bytes()
        try:
            fields: dict[str, Any] = json.loads(text)
            created_at = datetime.fromisoformat(fields["created_at"])
            return StoredObject(**fields | {"created_at": created_at})
        except (KeyError, TypeError, ValueError) as error:
            raise ObjectCorrupted(f"{key}: its record is damaged") from error

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        disk.make_folders(self._partials)
        partial = self._partials / uuid4().hex
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off other writers and deleters; the kernel frees the lock of a killed one."""
        lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _commit(self, partial: Path, final: Path, stored: StoredObject) -> None:
        """Record first, then link: no reader ever meets an object without its record."""
        try:
            disk.make_folders(final.parent)
            _refuse_taken(final, stored.key)
            self._write_record(stored)
            os.link(partial, final)
        except FileExistsError as error:
            raise ObjectExists(stored.key) from error
        except NotADirectoryError as error:
            raise KeyInvalid(f"{stored.key}: a part of it is an object already") from error
        disk.sync(final.parent)

    def _write_record(self, stored: StoredObject) -> None:
        record = self._record(stored.key)
        disk.make_folders(record.parent)
        text = json.dumps(asdict(stored) | {"created_at": stored.created_at.isoformat()})
        with self._partial() as partial:
            with disk.create(partial) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(record)
        disk.sync(record.parent)

    def _prune(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self._objects:
                folder.rmdir()
                folder = folder.parent


@contextmanager
def _found(key: str) -> Iterator[None]:
    with disk.disk_errors():
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(key) from error


def _refuse_taken(final: Path, key: str) -> None:
    try:
        taken = final.stat()
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise KeyInvalid(f"{key}: a part of it is an object already") from error
    if S_ISDIR(taken.st_mode):
        raise KeyInvalid(f"{key}: other objects lie below it")
    raise ObjectExists(key)


def _stored(key: str, tally: Tally, content_type: str) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=tally.size_bytes,
        crc32c=tally.crc32c,
        content_type=content_type,
        created_at=datetime.now(UTC),
    )
