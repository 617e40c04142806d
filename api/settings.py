"""What the API is told by its environment."""

from pydantic import Field

from jobs.settings import Settings
from models import catalog


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
