"""Opens the sockets of a program that listens on a host name or an address."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

_MISSING = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a machine without IPv6 says of the IPv6 address of `localhost`."""


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
