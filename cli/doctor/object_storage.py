"""Checks of object storage: a probe is written, read, downloaded by its link, and deleted."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx

from cli.doctor.check import fail, ok, warn
from storage.base import StorageError
from storage.factory import storage_from_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.check import CheckResult
    from storage.base import Storage

PROBE = b"written by kinomill doctor"
_REMEDY = "check that KINOMILL_STORAGE is right, has space, and allows writes and deletes"


def check(
    uri: str, *, public_url: str, secret: str, s3_endpoint: str | None = None
) -> Iterator[CheckResult]:
    """Check the storage at this URI."""
    key = f"doctor/{uuid4().hex}.txt"
    try:
        storage = storage_from_uri(
            uri, public_url=public_url, secret=secret.encode(), s3_endpoint=s3_endpoint
        )
        yield _round_trip(storage, key, uri)
        try:
            yield _link(storage, key, local=not uri.startswith(("gs://", "s3://")))
        finally:
            storage.delete(key)
        yield ok("storage delete", "the probe was deleted")
    except (StorageError, ValueError, OSError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        yield fail("storage", reason, _REMEDY)


def _round_trip(storage: Storage, key: str, uri: str) -> CheckResult:
    with tempfile.TemporaryDirectory(prefix="kinomill-doctor-") as folder:
        path = Path(folder) / "probe.txt"
        path.write_bytes(PROBE)
        storage.put(key, path, content_type="text/plain")
    if b"".join(storage.open(key)) != PROBE:
        return fail("storage", f"{uri}: the content read differs from the content written", _REMEDY)
    return ok("storage", f"{uri}: written and read")


def _link(storage: Storage, key: str, *, local: bool) -> CheckResult:
    url = storage.signed_url(
        key, ttl=timedelta(minutes=1), now=datetime.now(UTC), filename="probe.txt"
    )
    host = httpx.URL(url).host
    try:
        response = httpx.get(url, timeout=5, trust_env=not local)
    except httpx.TransportError as error:
        remedy = "start the API, which serves these links" if local else "allow access to it"
        return warn("storage link", f"{host} cannot be reached: {error}", remedy)
    if response.content != PROBE:
        remedy = "give all programs the same KINOMILL_SECRET_KEY, KINOMILL_STORAGE and clock"
        return fail("storage link", f"{host} answered {response.status_code}", remedy)
    return ok("storage link", f"a signed link works at {host}")
