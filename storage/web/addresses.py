"""IP addresses that a URL chosen by a user may connect to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC: tuple[Network, ...] = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's host agent
    ipaddress.IPv4Network(
        "192.0.0.0/24"
    ),  # Oracle's metadata; Python before 3.11.9 calls it global
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv6Network("5f00::/16"),
    ipaddress.IPv6Network("fec0::/10"),
)


def is_allowed(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Return whether an address is public or in a network that the operator allowed.

    An IPv6 address that embeds IPv4 addresses is allowed if each of those is.
    """
    embedded = embedded_addresses(address)
    return all(_is_public(one) or _is_in(one, allowed) for one in embedded)


def is_in_networks(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address, or each one that it embeds, is in one of the networks."""
    return all(_is_in(one, networks) for one in embedded_addresses(address))


def embedded_addresses(address: Address) -> list[Address]:
    """Unwrap v4-mapped, NAT64, 6to4 and Teredo addresses; return any other address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour:
        return [address.sixtofour]
    if address.teredo:
        return list(address.teredo)
    return [address]


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not _is_in(address, _NEVER_PUBLIC)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
