from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import httpx
import pytest

from storage.base import LinkExpired, LinkInvalid, Storage
from storage.local.store import LocalStorage
from storage.retry import RetryConfig
from storage.s3.access import create_client
from storage.s3.store import S3Storage
from tests.storage.fake_gcs import FakeGcs, serve
from tests.storage.fake_s3 import FakeS3
from tests.storage.fake_s3 import serve as fake_s3_server
from tests.storage.fake_s3_signatures import ACCESS_KEY, SECRET_KEY
from tests.storage.service_account import ServiceAccount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[[str, timedelta], str]

SECRET = b"a secret of the tests"


@dataclass
class Store:
    """A storage, and `open_link(url, later)`: the outcome of opening a signed link."""

    storage: Storage
    open_link: Open


STORES = [
    "local",
    "gcs",
    "s3",
    *(["bucket"] if "GCS_TEST_BUCKET" in os.environ else []),
    *(["s3_bucket"] if "S3_TEST_BUCKET" in os.environ else []),
]
"""The environment variables `GCS_TEST_BUCKET` and `S3_TEST_BUCKET` add a real bucket."""
RETRY = RetryConfig(deadline_seconds=30, initial_delay_seconds=0.01, max_delay_seconds=0.05)


@pytest.fixture(scope="session")
def account() -> ServiceAccount:
    return ServiceAccount()


@pytest.fixture
def fake(
    account: ServiceAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeGcs]:
    # google-auth requests region data from Google in a background thread on its first call
    manager = "google.auth._regional_access_boundary_utils._RegionalAccessBoundaryManager"
    monkeypatch.setattr(f"{manager}.maybe_start_refresh", lambda *_: None)
    folder = tmp_path / "bucket"
    folder.mkdir()
    with serve(account, folder) as fake:
        yield fake


@pytest.fixture
def client(fake: FakeGcs) -> Iterator[Any]:
    from google.cloud import storage

    client = storage.Client(
        project="kinomill-test",
        credentials=fake.account.credentials(fake.url),
        client_options={"api_endpoint": fake.url},
    )
    yield client
    client.close()


@pytest.fixture
def gcs(client: Any) -> Any:
    from storage.gcs.store import GcsStorage

    return GcsStorage("test-bucket", "media", client, retry=RETRY)


@pytest.fixture
def fake_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    folder = tmp_path / "s3"
    folder.mkdir()
    with fake_s3_server(folder) as fake:
        yield fake


@pytest.fixture
def s3(fake_s3: FakeS3) -> Iterator[S3Storage]:
    client = create_client(fake_s3.url, RETRY)
    yield S3Storage("test-bucket", "media", client, retry=RETRY)
    client.close()


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store", public_url="http://api.test/", secret=SECRET)


@pytest.fixture
def no_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have no extended attributes."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr("os.setxattr", refuse)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def local_store(local: LocalStorage) -> Store:
    def open_link(url: str, later: timedelta) -> str:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            path = local.verify_link(
                unquote(parts.path).removeprefix("/storage/"),
                expires=int(query["expires"]),
                filename=query["filename"],
                signature=query["signature"],
                now=datetime.now(UTC) + later,
            )
        except (LinkExpired, LinkInvalid) as error:
            return type(error).__name__
        return path.read_text()

    return Store(local, open_link)


@pytest.fixture
def gcs_store(gcs: Any, fake: FakeGcs) -> Store:
    def open_link(url: str, later: timedelta) -> str:
        fake.ahead = later
        return _outcome(url)

    return Store(gcs, open_link)


@pytest.fixture
def s3_store(s3: S3Storage, fake_s3: FakeS3) -> Store:
    def open_link(url: str, later: timedelta) -> str:
        fake_s3.ahead = later
        return _outcome(url)

    return Store(s3, open_link)


@pytest.fixture
def s3_bucket_store() -> Iterator[Store]:
    """The real bucket `S3_TEST_BUCKET` at `KINOMILL_S3_ENDPOINT`, with AWS credentials."""
    client = create_client(os.environ.get("KINOMILL_S3_ENDPOINT"), RetryConfig())
    storage = S3Storage(os.environ["S3_TEST_BUCKET"], f"kinomill-tests/{uuid4().hex}", client)

    def open_link(url: str, later: timedelta) -> str:
        if later > timedelta():
            pytest.skip("the clock of a real bucket cannot be moved")
        return _outcome(url)

    yield Store(storage, open_link)
    for listed in list(storage.list_objects("")):
        storage.delete(listed.key)
    client.close()


@pytest.fixture
def bucket_store() -> Iterator[Store]:
    """The real bucket `GCS_TEST_BUCKET`, with Application Default Credentials."""
    name = os.environ["GCS_TEST_BUCKET"]
    from storage.gcs.access import default_client
    from storage.gcs.store import GcsStorage

    client = default_client()
    storage = GcsStorage(name, f"kinomill-tests/{uuid4().hex}", client)

    def open_link(url: str, later: timedelta) -> str:
        if later > timedelta():
            pytest.skip("the clock of a real bucket cannot be moved")
        return _outcome(url)

    yield Store(storage, open_link)
    for stored in list(storage.list_objects("")):
        storage.delete(stored.key)
    client.close()


def _outcome(url: str) -> str:
    response = httpx.get(url, trust_env=False)
    if response.status_code == 200:
        return response.text
    expired = "ExpiredToken" in response.text
    return "LinkExpired" if expired else "LinkInvalid"
