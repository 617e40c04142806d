"""Many HTTP connections at once, only to addresses that the URL policy allows."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

from storage.web.addresses import is_in_networks
from storage.web.proxy_tunnel import open_tunnel_async
from storage.web.url_policy import resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from storage.web.url_policy import Resolver, UrlPolicy

LOOKUPS = 64
"""Threads that look up hosts: a name server that does not answer holds only some of them."""
IDLE_SECONDS = 2.0
"""How long an unused connection stays open for the next request to its host."""


class AsyncGuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host once, checks every address and connects to a checked one.

    As `GuardedBackend`, for asyncio. Deadlines are the caller's, by `asyncio.timeout`.
    """

    def __init__(self, policy: UrlPolicy, resolver: Resolver | None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()
        self._lookups = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that accepts the connection."""
        loop = asyncio.get_running_loop()
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = await loop.run_in_executor(
            self._lookups, resolve, host, port, self._policy, self._resolver
        )
        for address in addresses:
            try:
                return await self._connect(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _connect(
        self, address: str, port: int, seconds: float | None
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a checked address: through the proxy, if it is a public one."""

        def connect(host: str, port: int) -> Awaitable[httpcore.AsyncNetworkStream]:
            return self._network.connect_tcp(host, port, seconds)

        private = is_in_networks(ip_address(address), self._policy.allowed_networks)
        if self._policy.proxy is None or private:
            return await connect(address, port)
        return await open_tunnel_async(self._policy.proxy, address, port, connect)

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own retries."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Begin no further lookup; those in progress end by themselves."""
        self._lookups.shutdown(wait=False, cancel_futures=True)


def async_pool(policy: UrlPolicy, backend: AsyncGuardedBackend) -> httpcore.AsyncConnectionPool:
    """Return a pool without a limit of its own, that connects to checked addresses only."""
    return httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(cafile=policy.ca_bundle or certifi.where()),
        network_backend=backend,
        max_connections=None,
        keepalive_expiry=IDLE_SECONDS,
        retries=0,
    )
