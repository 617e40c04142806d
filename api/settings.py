"""API settings, read from environment variables."""

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from models import catalog
from runtime.config.types import Duration, HostName, Origin
from runtime.settings import Settings

_TEXT_BYTES: Final = 2_000_000
"""Text of a form."""


class ApiSettings(Settings):
    """Settings of the API."""

    models: tuple[str, ...] = tuple(catalog.CARDS)
    """Names of the models that the API accepts jobs for."""
    max_json_bytes: int = Field(default=16_000_000, gt=0)
    """Largest JSON body. Send larger media as multipart or by URL."""
    max_body_bytes: int | None = Field(default=None, gt=0, examples=[500_000_000])
    """Largest multipart body. Unset: two images, a sound and a video of the largest sizes that are
    allowed, and 2 MB."""
    max_uploads: int = Field(default=8, ge=1)
    """Requests with files that one process receives at the same time, three quarters of them of one
    account; further ones wait up to 10 seconds and are then rejected (503). Each takes about 1 MB
    of memory; for a bucket also its files in `KINOMILL_SCRATCH`, until they are uploaded."""
    file_ttl: Duration = timedelta(days=7)
    """How long a file of `POST /v1/files` is kept. An upload may ask for less. A file that a queued
    or running job names is kept as long as that job."""
    max_file_bytes_per_account: int = Field(default=10_000_000_000, gt=0)
    """Bytes that the files of one account may have together; further uploads are rejected (413)."""
    link_ttl_seconds: int = Field(default=3600, gt=0, le=3600)
    """How long a signed download URL is valid. Each request creates a new one."""
    longest_wait_seconds: int = Field(default=60, ge=0, le=300)
    """Upper bound of `?wait=`."""
    max_streams_per_account: int = Field(default=100, ge=1)
    """Streams of events that one account may have open at one API process; further ones are
    rejected (429)."""
    max_streams: int = Field(default=800, ge=1)
    """Streams of events that one API process keeps open for all accounts; further ones are rejected
    (503). Each holds a connection: `KINOMILL_MAX_CONNECTIONS` should be higher."""
    max_connections: int = Field(default=1000, ge=1)
    """Connections that one API process keeps open. At the limit, the one that has waited longest
    for a request is closed for a new one; if all of them work, a new one gets 503."""
    max_connections_per_address: int = Field(default=500, ge=1)
    """The same for the connections from one address. Behind a reverse proxy all callers have its
    address: set it to `KINOMILL_MAX_CONNECTIONS` then, and limit callers in the proxy."""
    read_timeout: Duration = timedelta(seconds=10)
    """How long a caller may be silent before its request is complete (408). A body also needs
    1,000 bytes for each of these seconds."""
    metrics: bool = False
    """Whether `/metrics` is served. It needs no key: do not expose it through a proxy."""

    auth: Literal["keys", "off"] = "keys"
    """`keys`: every request needs a key. `off`: none does, and all jobs belong to one account.
    `kinomill api` uses `off` while it listens on this machine only, unless this is set."""
    allowed_hosts: tuple[HostName, ...] = Field(default=(), examples=[["mill.lan"]])
    """Names under which an API without keys may be reached, beside `localhost`, loopback addresses
    and the host of `KINOMILL_PUBLIC_URL`; `*` allows all, behind your own gateway. Other names are
    refused (421), because a web page can let its own name resolve to this machine."""
    cors_origins: tuple[Origin, ...] = Field(default=(), examples=[["http://localhost:3000"]])
    """Web pages of other origins that may call the API from a browser (CORS), such as
    `http://localhost:3000`; `*` allows all that have a key. Unset: none."""

    @property
    def body_limit_bytes(self) -> int:
        """Largest body of any kind. By default it refuses nothing that another limit allows."""
        files = 2 * self.max_image_bytes + self.max_audio_bytes + self.max_video_bytes
        return self.max_body_bytes or max(files + _TEXT_BYTES, self.max_json_bytes)
