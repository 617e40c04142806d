"""A fake GCS bucket as the object storage of worker processes."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.cloud import storage

from storage.gcs.store import GcsStorage
from storage.retry import RetryConfig
from tests.storage.fake_gcs import serve
from tests.storage.service_account import ServiceAccount

if TYPE_CHECKING:
    from tests.storage.fake_gcs import FakeGcs

FAST_RETRIES = RetryConfig(deadline_seconds=30, initial_delay_seconds=0.05, max_delay_seconds=0.5)


class Outage:
    """Faults of one kind of request: 503 for some seconds, starting with the first request."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._ends_at = None

    def __bool__(self):
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._seconds
        return time.monotonic() < self._ends_at

    def popleft(self):
        return 503


class Always:
    """One fault for each request of a kind."""

    def __init__(self, fault):
        self._fault = fault

    def __bool__(self):
        return True

    def popleft(self):
        return self._fault


@dataclass
class FakeBucket:
    """A bucket: its server, a client for the test, and the environment of workers."""

    server: FakeGcs
    store: GcsStorage
    variables: dict[str, str]


@contextmanager
def bucket_at(folder):
    """Serve a bucket whose content is stored in `folder`."""
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
        store = GcsStorage(server.bucket.name, "media", client, retry=FAST_RETRIES)
        yield FakeBucket(server, store, variables)
        client.close()
