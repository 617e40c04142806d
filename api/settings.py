"""What the API is told by its environment."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from models import catalog
from runtime.settings import Duration, Settings


class ApiSettings(Settings):
    """Settings of the API."""

    models: tuple[str, ...] = tuple(catalog.CARDS)
    """Names of the models that callers may ask for (a JSON list)."""
    max_json_bytes: int = Field(default=16_000_000, gt=0)
    """The largest JSON body; larger media belong into a multipart request or behind a URL."""
    max_body_bytes: int = Field(default=210_000_000, gt=0)
    """The largest multipart body."""
    link_ttl_seconds: int = Field(default=3600, gt=0, le=3600)
    """How long a link to a result is good for; a new one is made on each request."""
    longest_wait_seconds: int = Field(default=60, ge=0, le=300)
    """The upper bound of `?wait=`."""
    metrics: bool = False
    """Whether `/metrics` answers Prometheus. It asks for no key: let no proxy pass it on."""

    auth: Literal["keys", "off"] = "keys"
    """`keys`: each request needs a key. `off`: none does, and all jobs belong to one account.
    `kinomill api` takes `off` while it listens on this machine only, unless this says `keys`."""
    max_active_per_account: int = Field(default=1000, ge=1)
    """How many jobs of one account may wait or run; more are refused (429)."""
    max_queue_length: int = Field(default=100_000, ge=1)
    """How many jobs may wait for one model; more are refused (503)."""
    max_queue_seconds: Duration = timedelta(hours=6)
    """How long a new job may have to wait, by what jobs of its model took; more are refused."""
