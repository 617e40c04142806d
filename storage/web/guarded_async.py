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

LOOKUPS = 512
"""Threads that look up hosts: a name server that does not answer holds only those of its names."""
READ_BYTES = 8_192
MAX_READ_BYTES = 2 * 1024 * 1024
"""Of one response, with all that is not its content."""
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
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")
        self._lookups: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        """Those in progress: requests to one host share one, also after those that gave up."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that accepts the connection."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._look_up(host, port):
            try:
                return SmallReads(await self._connect(address, port, timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _look_up(self, host: str, port: int) -> list[str]:
        lookup = self._lookups.get((host, port))
        if lookup is None:
            lookup = asyncio.get_running_loop().run_in_executor(
                self._threads, resolve, host, port, self._policy, self._resolver
            )
            self._lookups[host, port] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop((host, port)))
        return await asyncio.shield(lookup)

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
        self._threads.shutdown(wait=False, cancel_futures=True)


class SmallReads(httpcore.AsyncNetworkStream):
    """A stream that reads little at once: what a peer sends is parsed while all others wait.

    It ends after `MAX_READ_BYTES`, such as of a header or of interim responses without an end.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._read = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the interface of httpcore
        """Read some bytes."""
        data = await self._stream.read(min(max_bytes, READ_BYTES), timeout)
        self._read += len(data)
        if self._read > MAX_READ_BYTES:
            raise httpcore.ReadError("the peer sends without an end")
        await asyncio.sleep(0)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the interface of httpcore
        """Send bytes of a request."""
        self._read = 0  # the next response begins
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
    ) -> httpcore.AsyncNetworkStream:
        """The same stream, encrypted."""
        return SmallReads(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What the stream itself knows."""
        return self._stream.get_extra_info(info)


def async_pool(policy: UrlPolicy, backend: AsyncGuardedBackend) -> httpcore.AsyncConnectionPool:
    """Return a pool without a limit of its own, that connects to checked addresses only."""
    return httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(cafile=policy.ca_bundle or certifi.where()),
        network_backend=backend,
        max_connections=None,
        keepalive_expiry=IDLE_SECONDS,
        retries=0,
    )
