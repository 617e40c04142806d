"""HTTP connections only to addresses that the URL policy allows, with a hard deadline."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

from storage.web.addresses import is_in_networks
from storage.web.proxy_tunnel import open_tunnel
from storage.web.url_policy import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.web.url_policy import Resolver, UrlPolicy


@dataclass(frozen=True)
class Deadline:
    """A point in time on the monotonic clock, in seconds."""

    at: float

    def clamp(self, timeout: float | None) -> float:
        """Return the smaller of `timeout` and the remaining seconds.

        Raises `httpcore.ReadTimeout` after the deadline.
        """
        remaining = self.at - monotonic()
        if remaining <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return remaining if timeout is None else min(timeout, remaining)


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves a host once, checks every address and connects to a checked one.

    A second DNS lookup cannot return another address (DNS rebinding). The URL keeps the host
    name, so Host, SNI and certificate verification work as usual.
    """

    def __init__(self, policy: UrlPolicy, deadline: Deadline, resolver: Resolver | None) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolver = resolver
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first checked address that accepts the connection."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in resolve(host, port, self._policy, self._resolver):
            try:
                return self._connect(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _connect(self, address: str, port: int, timeout: float | None) -> httpcore.NetworkStream:
        """Connect to a checked address: through the proxy, if it is a public one."""

        def connect(host: str, port: int) -> httpcore.NetworkStream:
            stream = self._network.connect_tcp(host, port, self._deadline.clamp(timeout))
            return _TimedStream(stream, self._deadline)

        private = is_in_networks(ip_address(address), self._policy.allowed_networks)
        if self._policy.proxy is None or private:
            return connect(address, port)
        return open_tunnel(self._policy.proxy, address, port, connect)


def guarded_pool(
    policy: UrlPolicy, deadline: Deadline, resolver: Resolver | None = None
) -> httpcore.ConnectionPool:
    """Return a pool for one request: it connects to checked addresses only, until the deadline."""
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(cafile=policy.ca_bundle or certifi.where()),
        network_backend=GuardedBackend(policy, deadline, resolver),
        retries=0,
    )


def is_untrusted(error: Exception) -> bool:
    """Whether a connection failed because the certificate of its host is not valid."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in error.args)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose reads and writes end at the deadline, however slowly the peer sends."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.clamp(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.clamp(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.clamp(timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
