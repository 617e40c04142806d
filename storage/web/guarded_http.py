"""Connections that lead only to checked addresses, and end when their time is over."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

from storage.web.url_policy import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.web.url_policy import FetchPolicy, Resolver


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock."""

    at: float

    def within(self, timeout: float | None) -> float:
        """Return the timeout, shortened to what is left. Raises when nothing is."""
        left = self.at - monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return left if timeout is None else min(timeout, left)


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves once, checks every answer, connects to what it checked.

    The name stays in the URL, so Host, SNI and the certificate check are as ever, and no second
    look at the DNS can lead elsewhere.
    """

    def __init__(self, policy: FetchPolicy, deadline: Deadline, resolver: Resolver | None) -> None:
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
        """Connect to the first checked address that answers."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in resolve(host, port, self._policy, self._resolver):
            try:
                stream = self._network.connect_tcp(
                    address, port, self._deadline.within(timeout), local_address, socket_options
                )
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def guarded_pool(
    policy: FetchPolicy, deadline: Deadline, resolver: Resolver | None = None
) -> httpcore.ConnectionPool:
    """A pool for one exchange: only to checked addresses, and over at the deadline."""
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(cafile=policy.ca_bundle or certifi.where()),
        network_backend=GuardedBackend(policy, deadline, resolver),
        retries=0,
    )


class _TimedStream(httpcore.NetworkStream):
    """A stream each of whose reads and writes ends at the deadline: no drip outlives it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(
            ssl_context, server_hostname, self._deadline.within(timeout)
        )
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
