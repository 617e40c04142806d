"""Where an input may come from: a URL, or an object in a bucket that the operator allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.base import KeyInvalid
from storage.object_keys import check_key
from storage.web.url_policy import MAX_URL_LENGTH, check_url, url_rejected

if TYPE_CHECKING:
    from storage.web.url_policy import UrlPolicy

BUCKETS: Final = ("gs://", "s3://")
"""What the names of objects begin with."""


def check_source(uri: str, policy: UrlPolicy) -> None:
    """Check a URL, or the name of an object in a bucket. Raises `MediaRejected`."""
    if uri.startswith(BUCKETS):
        check_object(uri, policy)
    else:
        check_url(uri, policy)


def check_object(uri: str, policy: UrlPolicy) -> tuple[str, str]:
    """The bucket as a URI, and the key. Raises `MediaRejected` (`url_not_allowed`)."""
    allowed = policy.input_buckets
    if not any(uri.startswith(f"{prefix.rstrip('/')}/") for prefix in allowed):
        where = ", ".join(allowed) if allowed else "none"
        raise url_rejected(
            f"objects of this bucket may not be read; KINOMILL_INPUT_BUCKETS allows {where}"
        )
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    try:
        check_key(key if len(uri) <= MAX_URL_LENGTH else "")
    except KeyInvalid as error:
        raise url_rejected(f"not the name of an object: {error}") from error
    return f"{scheme}://{bucket}", key
