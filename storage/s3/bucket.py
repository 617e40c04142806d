"""One bucket, or what is below a prefix of it, and calls to it with retries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.object_keys import check_key
from storage.s3.errors import call

if TYPE_CHECKING:
    from storage.retry import RetryConfig


@dataclass(frozen=True)
class Bucket:
    """A bucket of a client of botocore."""

    client: Any
    name: str
    prefix: str
    """Ends with a slash, or is empty."""
    retry: RetryConfig

    def key(self, key: str) -> str:
        """The key in the bucket. Raises `KeyInvalid`."""
        return self.prefix + check_key(key)

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the client for this bucket, again after transient errors."""
        act = getattr(self.client, method)
        answer: dict[str, Any] = call(self.retry, lambda: act(Bucket=self.name, **arguments))
        return answer
