"""URL policy: which hosts, addresses and ports a URL chosen by a user may name (SSRF protection).

`check_url` decides on the URL alone; `resolve` checks the addresses of its host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import quote, urlsplit

from storage.sniffing.media import MediaRejected
from storage.web.addresses import is_allowed, is_in_networks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import SecretStr

    from runtime.media.formats import MediaKind
    from storage.web.addresses import Address, Network

    Resolver = Callable[[str, int], list[str]]

MEBIBYTE = 1024 * 1024
MAX_URL_LENGTH = 4096
SLOWEST_BYTES_PER_SECOND = 4_000_000
"""Of a server from which the largest file can still be downloaded in time."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")
_NUMBER = re.compile(r"(\d+|0x[0-9a-f]*)", re.I)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_INTERNAL_NAMES = re.compile(r"(.*\.)?(localhost|local|internal|intranet|lan|home\.arpa)|[^.]+")


class FetchSettings(Protocol):
    """The settings of any program that makes HTTP requests to users' URLs."""

    @property
    def fetch_allow_http(self) -> bool: ...  # noqa: D102 - see the field of UrlPolicy
    @property
    def fetch_networks(self) -> tuple[Network, ...]: ...  # noqa: D102
    @property
    def fetch_ca_file(self) -> Path | None: ...  # noqa: D102
    @property
    def fetch_proxy(self) -> SecretStr | None: ...  # noqa: D102
    @property
    def input_buckets(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def s3_endpoint(self) -> str | None: ...  # noqa: D102
    @property
    def max_image_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_audio_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_video_bytes(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class UrlPolicy:
    """Allowed schemes, ports and networks, and limits of size and time."""

    allow_http: bool = False
    allowed_networks: tuple[Network, ...] = ()
    """Private networks that the operator allows."""
    ports: frozenset[int] = frozenset({443})
    """Allowed ports of public addresses; `allow_http` adds port 80. Hosts in `allowed_networks` may
    use any port."""
    ca_bundle: Path | None = None
    """CA certificates to trust instead of certifi's, for hosts with a private CA."""
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy for public addresses. It is asked for the checked address; those in
    `allowed_networks` are connected to directly."""
    input_buckets: tuple[str, ...] = ()
    """What may be read of buckets: `gs://bucket/prefix` or `s3://bucket/prefix`."""
    s3_endpoint: str | None = None
    """Address of the store of `s3://`; Amazon's unless given."""
    redirects: int = 3
    connect_seconds: float = 5.0
    total_seconds: float = 60.0
    """From the first connection to the last byte, redirects included; more for large limits."""
    image_bytes: int = 20 * MEBIBYTE
    audio_bytes: int = 50 * MEBIBYTE
    video_bytes: int = 200 * MEBIBYTE

    @classmethod
    def from_settings(cls, settings: FetchSettings) -> Self:
        """Create the policy from a program's settings."""
        largest = max(settings.max_image_bytes, settings.max_audio_bytes, settings.max_video_bytes)
        return cls(
            allow_http=settings.fetch_allow_http,
            allowed_networks=settings.fetch_networks,
            ca_bundle=settings.fetch_ca_file,
            proxy=settings.fetch_proxy.get_secret_value() if settings.fetch_proxy else None,
            input_buckets=settings.input_buckets,
            s3_endpoint=settings.s3_endpoint,
            total_seconds=max(cls.total_seconds, largest / SLOWEST_BYTES_PER_SECOND),
            image_bytes=settings.max_image_bytes,
            audio_bytes=settings.max_audio_bytes,
            video_bytes=settings.max_video_bytes,
        )

    def limit_bytes(self, kind: MediaKind) -> int:
        """Return the maximum size of a file of this kind."""
        return {"image": self.image_bytes, "audio": self.audio_bytes, "video": self.video_bytes}[
            kind
        ]


@dataclass(frozen=True)
class CheckedUrl:
    """The parts of a URL that passed `check_url`."""

    scheme: str
    host: str
    """Lower case ASCII, without a trailing dot; an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query, percent-encoded."""

    @property
    def url(self) -> str:
        """The normalized URL, without user or fragment."""
        return f"{self.scheme}://{self._host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """The Host header: with the port unless it is the scheme's default."""
        default = {"https": 443, "http": 80}[self.scheme]
        return self._host if self.port == default else f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def check_url(url: str, policy: UrlPolicy) -> CheckedUrl:
    """Check scheme, port, syntax, literal addresses and internal names, without a DNS lookup.

    Raises `MediaRejected` (`url_not_allowed`).
    """
    if len(url) > MAX_URL_LENGTH or _FORBIDDEN.search(url):
        raise url_rejected(
            f"a URL must have at most {MAX_URL_LENGTH} characters, no spaces and no backslashes"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise url_rejected(f"not a valid URL: {error}") from error
    _check_scheme(parts.scheme, policy)
    if "@" in parts.netloc:
        raise url_rejected("a URL must not contain a user name or password")
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*[]")
    query = "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*[]?") if parts.query else ""
    host = _check_host(host, policy)
    return CheckedUrl(
        parts.scheme, host, _check_port(parts.scheme, port, host, policy), path + query
    )


def resolve(host: str, port: int, policy: UrlPolicy, resolver: Resolver | None = None) -> list[str]:
    """Return the addresses of a host, all of them checked.

    One address that is not allowed rejects the host. Raises `MediaRejected` (`url_not_allowed`,
    `fetch_failed`).
    """
    addresses = (resolver or system_resolver)(host, port)
    for address in addresses:
        if not is_allowed(ipaddress.ip_address(address), policy.allowed_networks):
            raise url_rejected(f"{host} resolves to an address that is not public")
        if not _is_port_allowed(port, ipaddress.ip_address(address), policy):
            raise url_rejected(f"port {port} is not allowed")
    if not addresses:
        raise MediaRejected("fetch_failed", f"{host} has no address", retryable=True)
    return addresses


def system_resolver(host: str, port: int) -> list[str]:
    """Look up a host with `getaddrinfo`; the addresses keep its order of preference.

    Raises `MediaRejected` (`fetch_failed`).
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        temporary = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise MediaRejected(
            "fetch_failed", f"the host {host} was not found", retryable=temporary
        ) from error
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))


def url_rejected(reason: str) -> MediaRejected:
    """Return the `MediaRejected` of a URL that the policy forbids."""
    return MediaRejected("url_not_allowed", reason)


def _check_scheme(scheme: str, policy: UrlPolicy) -> None:
    schemes = {"https", "http"} if policy.allow_http else {"https"}
    if scheme not in schemes:
        raise url_rejected(f"only {' and '.join(sorted(schemes))} URLs are allowed")


def _check_port(scheme: str, port: int | None, host: str, policy: UrlPolicy) -> int:
    """The port. One that only private networks may use is checked again for the address of a name,
    by `resolve`.
    """
    port = port or (443 if scheme == "https" else 80)
    address = _literal_address(host)
    if not _is_port_allowed(port, address, policy) and (address or not policy.allowed_networks):
        raise url_rejected(f"port {port} is not allowed")
    return port


def _is_port_allowed(port: int, address: Address | None, policy: UrlPolicy) -> bool:
    ports = policy.ports | {80} if policy.allow_http else policy.ports
    return port in ports or (
        address is not None and is_in_networks(address, policy.allowed_networks)
    )


def _check_host(host: str, policy: UrlPolicy) -> str:
    host = _ascii(host).removesuffix(".")
    address = _literal_address(host)
    if address:
        if not is_allowed(address, policy.allowed_networks):
            raise url_rejected(f"{host} is not a public address")
        return str(address)
    if not all(_LABEL.fullmatch(label) for label in host.split(".")) or len(host) > 253:
        raise url_rejected("the host of the URL is not valid")
    if _INTERNAL_NAMES.fullmatch(host) and not policy.allowed_networks:
        raise url_rejected(f"{host} is not a public host")
    return host


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise url_rejected("the host of the URL is not a valid international name") from error


def _literal_address(host: str) -> Address | None:
    """Return the address if the host is one; spellings such as 0x7f000001 are rejected."""
    if ":" in host:
        return _parse_address(host)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _parse_address(host)
    return None


def _parse_address(host: str) -> Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise url_rejected(
            "an IP address must be written as four decimal numbers or as IPv6"
        ) from error
    if "%" in host:
        raise url_rejected("an IPv6 address must not have a zone")
    return address
