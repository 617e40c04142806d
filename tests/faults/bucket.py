"""The strict stand-in for a bucket, as the store of worker processes."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.cloud import storage

from storage.gcs import GcsStorage
from storage.gcs_errors import RetryConfig
from tests.storage.fake_gcs import serve
from tests.storage.service_account import ServiceAccount

if TYPE_CHECKING:
    from tests.storage.fake_gcs import FakeGcs

HASTE = RetryConfig(deadline_seconds=30, initial_delay_seconds=0.05, max_delay_seconds=0.5)


class Outage:
    """503 to every call of one kind, for some seconds from the first: in place of its faults."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._over = None

    def __bool__(self):
        if self._over is None:
            self._over = time.monotonic() + self._seconds
        return time.monotonic() < self._over

    def popleft(self):
        return 503


@dataclass
class Rented:
    """A bucket: its server, our own way to it, and what workers must be told."""

    server: FakeGcs
    store: GcsStorage
    variables: dict[str, str]


@contextmanager
def bucket_at(folder):
    """Serve a bucket whose content lies in `folder`."""
    account, content = ServiceAccount(), folder / "bucket"
    content.mkdir()
    with serve(account, content) as server:
        key_file = folder / "account.json"
        key_file.write_text(json.dumps(account.fields(server.url)))
        client = storage.Client(
            project="kinomill-test",
            credentials=account.credentials(server.url),
            client_options={"api_endpoint": server.url},
        )
        variables = {
            "KINOMILL_STORAGE": f"gs://{server.bucket.name}/media",
            "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
            "STORAGE_EMULATOR_HOST": server.url,
        }
        store = GcsStorage(server.bucket.name, "media", client, retry=HASTE)
        yield Rented(server, store, variables)
        client.close()
