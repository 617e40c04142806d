"""Names of this machine in the Host header of a request, and of the origins of web pages.

A name that resolves to a loopback address proves nothing: a web page can let its own name do so
(DNS rebinding). The name itself, as the browser sends it, tells the two apart.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

EVERY = "*"
"""In a list of names: every name is allowed."""


def host_name(authority: str) -> str:
    """The name in a Host header, in lower case and without its port; "" if it is not valid."""
    if any(character in authority for character in "/\\?#@, "):
        return ""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
    return name.removesuffix(".")


def is_loopback(name: str) -> bool:
    """Whether this is a name or an address of the loopback interface, on every machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
