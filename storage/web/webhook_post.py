"""Messages to strangers: checked addresses, no redirects, one deadline for everything."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import httpcore

from storage.sniffing.media import MediaRejected
from storage.web.guarded_http import Deadline, guarded_pool
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.web.url_policy import FetchPolicy, Resolver

ANSWER_BYTES = 64 * 1024
"""As much of an answer as is read; nobody looks at it."""
TOTAL_SECONDS = 15.0
"""From the first connection to the end of the answer."""


class Undelivered(Exception):
    """No whole answer came; the message may have arrived all the same."""


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    policy: FetchPolicy,
    total_seconds: float = TOTAL_SECONDS,
    resolver: Resolver | None = None,
) -> int:
    """Send a JSON body; returns the status of the answer, also if that is a redirect.

    Raises `Undelivered`.
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
            _read_some(response)
            return response.status
    except MediaRejected as error:
        raise Undelivered(error.message) from error
    except httpcore.TimeoutException as error:
        raise Undelivered(f"no answer within {total_seconds:g} s") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Undelivered(f"the connection failed: {type(error).__name__}") from error


def _read_some(response: httpcore.Response) -> None:
    """Let a short answer end, so that its sender sees no broken connection."""
    done = 0
    for chunk in response.iter_stream():
        done += len(chunk)
        if done > ANSWER_BYTES:
            return
