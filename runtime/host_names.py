"""Names of this machine: in the Host header of a request, and to listen on.

A name that resolves to a loopback address proves nothing: a web page can let its own name do so
(DNS rebinding). The name itself, as the browser sends it, tells the two apart.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

EVERY = "*"
"""In a list of names: every name is allowed."""
_MISSING = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a machine without IPv6 says of the IPv6 address of `localhost`."""


def host_name(authority: str) -> str:
    """The name in a Host header, in lower case and without its port; "" if it is not valid."""
    if any(character in authority for character in "/\\?#@, "):
        return ""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
    return name.removesuffix(".")


def origin_of(url: str) -> str:
    """The origin of the pages at a URL, as browsers send it: without the port of its scheme."""
    parts = urlsplit(url.lower())
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, ":")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}"


def is_loopback(name: str) -> bool:
    """Whether this is a name or an address of the loopback interface, on every machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


class CannotListen(Exception):
    """Nobody can listen on this address now: another program does, or no machine has it."""

    def __init__(self, host: str, port: int, error: OSError | UnicodeError) -> None:
        reason = getattr(error, "strerror", None) or "it is no name of a host"
        super().__init__(
            f"nobody can listen on {host}, port {port} ({reason}): use another --host or --port"
        )
        self.reason = reason


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of `host` that this machine has. Raises `CannotListen`.

    A name may stand for IPv4 and IPv6 where one of them is switched off.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise CannotListen(host, port, error) from error
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    with ExitStack() as opened:
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(opened.enter_context(_listen(family, address)))
            except OSError as error:
                missing = error
                if error.errno not in _MISSING:
                    raise CannotListen(host, port, error) from error
        opened.pop_all()
    if missing is not None and not sockets:
        raise CannotListen(host, port, missing) from missing
    return sockets


def require_listenable(host: str, port: int) -> None:
    """Raise `CannotListen` if nobody can listen there now."""
    for opened in listening_sockets(host, port):
        opened.close()


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    with ExitStack() as closing:
        opened = closing.enter_context(socket.socket(family, socket.SOCK_STREAM))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # IPv4 has a socket of its own
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(2048)
        closing.pop_all()
    return opened
