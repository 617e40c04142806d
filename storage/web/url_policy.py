"""The guard before every download: where a URL may lead, told before a connection is made."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import quote, urlsplit

from storage.sniffing.media import MediaRejected
from storage.web.addresses import is_reachable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.sniffing.magic_numbers import Kind
    from storage.web.addresses import Address, Network

    Resolver = Callable[[str, int], list[str]]

MEBIBYTE = 1024 * 1024
LONGEST_URL = 4096
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")
_NUMBER = re.compile(r"(\d+|0x[0-9a-f]*)", re.I)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_INNER_NAMES = re.compile(r"(.*\.)?(localhost|local|internal|intranet|lan|home\.arpa)|[^.]+")


class FetchTerms(Protocol):
    """What an operator says of downloads: settings of any program have these."""

    @property
    def fetch_allow_http(self) -> bool: ...  # noqa: D102 - a policy's field tells
    @property
    def fetch_networks(self) -> tuple[Network, ...]: ...  # noqa: D102
    @property
    def max_image_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_audio_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_video_bytes(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class FetchPolicy:
    """What may be downloaded from where, and how long it may take."""

    allow_http: bool = False
    allowed_networks: tuple[Network, ...] = ()
    """Private networks that an operator opened on purpose."""
    ports: frozenset[int] = frozenset({443})
    """Port 80 comes with `allow_http`."""
    ca_bundle: Path | None = None
    """Certificates to trust instead of the system's, for hosts with a CA of their own."""
    redirects: int = 3
    connect_seconds: float = 5.0
    total_seconds: float = 60.0
    """From the first connection to the last byte, redirects included."""
    image_bytes: int = 20 * MEBIBYTE
    audio_bytes: int = 50 * MEBIBYTE
    video_bytes: int = 200 * MEBIBYTE

    @classmethod
    def of(cls, terms: FetchTerms) -> Self:
        """The policy that an operator's settings ask for."""
        return cls(
            allow_http=terms.fetch_allow_http,
            allowed_networks=terms.fetch_networks,
            image_bytes=terms.max_image_bytes,
            audio_bytes=terms.max_audio_bytes,
            video_bytes=terms.max_video_bytes,
        )

    def limit_bytes(self, kind: Kind) -> int:
        """Return how large a file of this kind may be."""
        return {"image": self.image_bytes, "audio": self.audio_bytes, "video": self.video_bytes}[
            kind
        ]


@dataclass(frozen=True)
class Target:
    """A URL that passed the static check, in parts."""

    scheme: str
    host: str
    """Lower case ASCII, without a trailing dot; an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query, percent-encoded."""

    @property
    def url(self) -> str:
        """The URL again, without user or fragment."""
        return f"{self.scheme}://{self._host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """What the Host header says: the port only if it is not the usual one."""
        usual = {"https": 443, "http": 80}[self.scheme]
        return self._host if self.port == usual else f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def check_url(url: str, policy: FetchPolicy) -> Target:
    """Check a URL without asking the DNS: scheme, port, spelling, literal addresses, local names.

    Raises `MediaRejected` (`url_not_allowed`).
    """
    if len(url) > LONGEST_URL or _UNFIT.search(url):
        raise refused(f"a URL has at most {LONGEST_URL} characters, no spaces and no backslash")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise refused(f"this is no URL: {error}") from error
    _check_scheme(parts.scheme, policy)
    if "@" in parts.netloc:
        raise refused("a URL may not carry a user or a password")
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*[]")
    query = "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*[]?") if parts.query else ""
    return Target(
        parts.scheme,
        _check_host(host, policy),
        _check_port(parts.scheme, port, policy),
        path + query,
    )


def resolve(
    host: str, port: int, policy: FetchPolicy, resolver: Resolver | None = None
) -> list[str]:
    """Return the addresses of a host, every one of them checked.

    One bad answer refuses the host. Raises `MediaRejected` (`url_not_allowed`, `fetch_failed`).
    """
    answers = (resolver or system_resolver)(host, port)
    for answer in answers:
        if not is_reachable(ipaddress.ip_address(answer), policy.allowed_networks):
            raise refused(f"{host} leads to an address that is not public")
    if not answers:
        raise MediaRejected("fetch_failed", f"{host} has no address", retryable=True)
    return answers


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host, in its order of preference."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        temporary = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise MediaRejected(
            "fetch_failed", f"the host {host} was not found", retryable=temporary
        ) from error
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))


def refused(why: str) -> MediaRejected:
    """Return the rejection of a URL."""
    return MediaRejected("url_not_allowed", why)


def _check_scheme(scheme: str, policy: FetchPolicy) -> None:
    schemes = {"https", "http"} if policy.allow_http else {"https"}
    if scheme not in schemes:
        raise refused(f"only {' and '.join(sorted(schemes))} URLs are taken")


def _check_port(scheme: str, port: int | None, policy: FetchPolicy) -> int:
    ports = policy.ports | {80} if policy.allow_http else policy.ports
    port = port or (443 if scheme == "https" else 80)
    if port not in ports:
        raise refused(f"port {port} is not allowed")
    return port


def _check_host(host: str, policy: FetchPolicy) -> str:
    host = _ascii(host).removesuffix(".")
    address = _literal(host)
    if address:
        if not is_reachable(address, policy.allowed_networks):
            raise refused(f"{host} is not a public address")
        return str(address)
    if not all(_LABEL.fullmatch(label) for label in host.split(".")) or len(host) > 253:
        raise refused("the URL names no valid host")
    if _INNER_NAMES.fullmatch(host) and not policy.allowed_networks:
        raise refused(f"{host} is not a public host")
    return host


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise refused("the URL names no valid international host") from error


def _literal(host: str) -> Address | None:
    """Return the address that the host is written as, if it is one; odd spellings are refused."""
    if ":" in host:
        return _address(host)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _address(host)
    return None


def _address(host: str) -> Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise refused("write an IP address plainly, as four decimal numbers or IPv6") from error
    if "%" in host:
        raise refused("an IPv6 address may not carry a zone")
    return address
