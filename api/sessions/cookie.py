"""The cookie of a session: it names a key, says when it ends, and is signed."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from accounts.api_keys import PREFIX_LENGTH, ProvenKey

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LIFETIME: Final = timedelta(hours=12)
NAME: Final = "kinomill_session"
_FORM: Final = re.compile(
    rf"(km_[0-9a-f]{{{PREFIX_LENGTH - len('km_')}}})\.([0-9]{{1,12}})\.([0-9a-f]{{64}})"
)


@dataclass(frozen=True)
class SessionCookies:
    """Signs and verifies cookies `<prefix of a key>.<end>.<HMAC>`.

    The key itself is not in the cookie. That a key was revoked, and what it permits, is read from
    the database at each request, as for a key in a header.
    """

    secret: bytes = field(repr=False)
    path: str = "/"
    secure: bool = True
    """Whether browsers send it over https only."""

    @property
    def name(self) -> str:
        """The name of the cookie; browsers take one with `__Host-` from this very host only."""
        return f"__Host-{NAME}" if self.secure and self.path == "/" else NAME

    def set(self, response: Response, key: str, ends: datetime) -> None:
        """Add the cookie of a valid key to a response."""
        signed = f"{key[:PREFIX_LENGTH]}.{ends.timestamp():.0f}"
        self._send(response, f"{signed}.{self._signature(signed)}", LIFETIME)

    def value_in(self, request: Request) -> str:
        """The value of our cookie in a request; empty without one.

        Not `request.cookies`: before Python 3.11.10 its reader of quoted values takes the square of
        their length, 7 s for a header of 60 kB (CVE-2024-7592). Ours are never quoted.
        """
        start = f"{self.name}="
        for header in request.headers.getlist("cookie"):
            for pair in header.split(";"):
                if pair.strip().startswith(start):
                    return pair.strip().removeprefix(start)
        return ""

    def clear(self, response: Response) -> None:
        """Have the browser delete the cookie."""
        self._send(response, "", timedelta())

    def verify(self, value: str, now: datetime) -> ProvenKey | None:
        """The key for which we signed this value; None if it is forged or has ended."""
        found = _FORM.fullmatch(value)
        if found is None:
            return None
        prefix, ends, signature = found.groups()
        if not hmac.compare_digest(signature, self._signature(f"{prefix}.{ends}")):
            return None
        return ProvenKey(prefix) if datetime.fromtimestamp(int(ends), UTC) > now else None

    def _send(self, response: Response, value: str, age: timedelta) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=int(age.total_seconds()),
            path=self.path,
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )

    def _signature(self, signed: str) -> str:
        return hmac.new(self.secret, f"session:{signed}".encode(), hashlib.sha256).hexdigest()
