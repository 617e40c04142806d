"""Which certificates the client trusts, and what to do about one that it does not."""

from __future__ import annotations

import ssl
from typing import Any, Final

_REMEDIES: Final = (
    (
        "certificate has expired",
        "has expired: renew it on the server, or set the clock of this computer",
    ),
    ("mismatch", "is for another host name: use the name in the certificate"),
    (
        "certificate verify failed",
        "is not signed by an authority that this computer trusts: set SSL_CERT_FILE to the file "
        "(PEM) of the authority that signed it",
    ),
)
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


class TrustedContext(ssl.SSLContext):
    """Trusts the certificates of the system (or SSL_CERT_FILE) and Mozilla's.

    They are loaded for the first connection that is encrypted: that takes 50 ms, which a command
    to a server on this machine does not need.
    """

    _loaded = False

    def __new__(cls) -> TrustedContext:
        """Create a context for clients."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def wrap_socket(self, *arguments: Any, **options: Any) -> Any:
        """Encrypt a connection."""
        self._load()
        return super().wrap_socket(*arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> Any:
        """Encrypt a connection of an event loop."""
        self._load()
        return super().wrap_bio(*arguments, **options)

    def _load(self) -> None:
        if not self._loaded:
            import certifi

            self.load_default_certs()
            self.load_verify_locations(certifi.where())
            self._loaded = True


def tls_error(url: str, reason: str) -> str | None:
    """Return a sentence for a failure of TLS that no retry can mend; None for any other failure."""
    host = url.split("://")[-1]
    for mark, remedy in _REMEDIES:
        if "certificate" in reason.lower() and mark in reason.lower():
            return f"the certificate of {url} {remedy}"
    if any(mark in reason for mark in _NO_TLS) or "record layer failure" in reason:
        return f"{host} does not answer with TLS: use http://{host}, or the port for https"
    return None
