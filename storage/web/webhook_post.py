"""POST requests to webhook URLs, many at once: checked addresses, no redirects, one deadline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

import httpcore

from storage.sniffing.media import MediaRejected
from storage.web.guarded_async import AsyncGuardedBackend, async_pool
from storage.web.guarded_http import is_untrusted
from storage.web.url_policy import check_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.web.url_policy import Resolver, UrlPolicy

MAX_RESPONSE_BYTES = 1024 * 1024
"""A longer response counts as a failure; the content of a shorter one is ignored."""
MAX_PIECES = 2_000
"""As what it may come: a response in chunks of a byte takes 10 s of work, also of other senders."""
TOTAL_SECONDS = 15.0
"""From the lookup of the host to the end of the response."""


@dataclass(frozen=True)
class WebhookResponse:
    """What a receiver answered."""

    status: int
    retry_after: timedelta | None = None
    """How long to wait before the next attempt, if it asked for that."""


class DeliveryFailed(Exception):
    """No complete response was received; the request may have arrived nevertheless."""


class WebhookClient:
    """Sends webhooks, as many at once as it is asked to. Use it within one event loop."""

    def __init__(self, policy: UrlPolicy, resolver: Resolver | None = None) -> None:
        self._policy = policy
        self._backend = AsyncGuardedBackend(policy, resolver)
        self._pool = async_pool(policy, self._backend)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._backend.close()
        await self._pool.aclose()

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        total_seconds: float = TOTAL_SECONDS,
    ) -> WebhookResponse:
        """POST a JSON body; returns the response. Redirects are not followed.

        Raises `DeliveryFailed`.
        """
        try:
            async with asyncio.timeout(total_seconds):
                return await self._post(url, body, headers)
        except MediaRejected as error:
            raise DeliveryFailed(error.message) from error
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise DeliveryFailed(f"no whole response within {total_seconds:g} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            if is_untrusted(error):
                raise DeliveryFailed("the receiver's certificate is not valid") from error
            raise DeliveryFailed(f"the connection failed: {type(error).__name__}") from error

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> WebhookResponse:
        target = check_url(url, self._policy)
        async with self._pool.stream(
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
            extensions={"timeout": {"connect": self._policy.connect_seconds}},
        ) as response:
            await _drain(response)
            return WebhookResponse(response.status, _retry_after(response.headers))


def _retry_after(headers: list[tuple[bytes, bytes]]) -> timedelta | None:
    """The wait of `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). None: unset or invalid."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    value = text.decode("latin-1").strip()
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=int(value[:9]))
    try:
        wait = parsedate_to_datetime(value) - datetime.now(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(wait, timedelta(0))


async def _drain(response: httpcore.Response) -> None:
    """Read a response to its end, so that its sender sees no connection reset."""
    read = pieces = 0
    async for chunk in response.aiter_stream():
        read, pieces = read + len(chunk), pieces + 1
        if read > MAX_RESPONSE_BYTES:
            raise DeliveryFailed(f"the response is longer than {MAX_RESPONSE_BYTES} bytes")
        if pieces > MAX_PIECES:
            raise DeliveryFailed(f"the response comes in more than {MAX_PIECES:,} pieces")
