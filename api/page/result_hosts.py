"""The hosts that results come from: the policy of the pages holds for redirects, too."""

from __future__ import annotations

from urllib.parse import urlsplit


def result_hosts(storage: str, s3_endpoint: str | None) -> str:
    """Sources for a Content-Security-Policy; none if results are in a folder of the server."""
    if storage.startswith("gs://"):
        return " https://storage.googleapis.com"
    if not storage.startswith("s3://"):
        return ""
    if s3_endpoint is None:
        return " https://*.amazonaws.com"
    parts = urlsplit(s3_endpoint)
    return f" {parts.scheme}://{parts.netloc} {parts.scheme}://*.{parts.netloc}"
