"""Whether a server can listen on an address, looked at before it starts."""

from __future__ import annotations

import socket

from cli.errors import StackError


def require_listenable(host: str, port: int) -> None:
    """Raise `StackError` with the reason and the remedy, if nobody can listen there now."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a host"
        raise StackError(
            f"nobody can listen on {host}, port {port} ({reason}): use another --host or --port"
        ) from error
