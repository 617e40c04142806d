"""POST requests to webhook URLs: checked addresses, no redirects, one deadline."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import httpcore

from storage.sniffing.media import MediaRejected
from storage.web.guarded_http import Deadline, guarded_pool
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.web.url_policy import Resolver, UrlPolicy

MAX_RESPONSE_BYTES = 64 * 1024
"""How much of a response is read before the connection is closed; its content is ignored."""
TOTAL_SECONDS = 15.0
"""From the first connection to the end of the response."""


class DeliveryFailed(Exception):
    """No complete response was received; the request may have arrived nevertheless."""


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    policy: UrlPolicy,
    total_seconds: float = TOTAL_SECONDS,
    resolver: Resolver | None = None,
) -> int:
    """POST a JSON body; returns the response status. Redirects are not followed.

    Raises `DeliveryFailed`.
    """
    deadline = Deadline(monotonic() + total_seconds)
    try:
        target = check_url(url, policy)
        with (
            guarded_pool(policy, deadline, resolver) as pool,
            pool.stream(
                "POST",
                target.url,
                headers=[
                    ("Host", target.authority),
                    ("User-Agent", "kinomill"),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                    *headers.items(),
                ],
                content=body,
                extensions={"timeout": {"connect": policy.connect_seconds}},
            ) as response,
        ):
            _drain(response)
            return response.status
    except MediaRejected as error:
        raise DeliveryFailed(error.message) from error
    except httpcore.TimeoutException as error:
        raise DeliveryFailed(f"no response within {total_seconds:g} s") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise DeliveryFailed(f"the connection failed: {type(error).__name__}") from error


def _drain(response: httpcore.Response) -> None:
    """Read a short response to its end, so that its sender sees no connection reset."""
    read = 0
    for chunk in response.iter_stream():
        read += len(chunk)
        if read > MAX_RESPONSE_BYTES:
            return
