"""Verification of V4 signed URLs as Google documents it, with the account's public key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from email.message import Message

    from tests.storage.service_account import ServiceAccount

_SEVEN_DAYS = 7 * 24 * 3600


class LinkRefused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status


def check_link(
    method: str, path: str, headers: Message, account: ServiceAccount, now: datetime
) -> None:
    """Raise `LinkRefused` unless the link was signed by the account and has not expired."""
    url = urlsplit(path)
    pairs = parse_qsl(url.query, keep_blank_values=True)
    query = dict(pairs)
    stamp, scope = query["X-Goog-Date"], query["X-Goog-Credential"].partition("/")[2]
    if query["X-Goog-Algorithm"] != "GOOG4-RSA-SHA256":
        raise LinkRefused(400, "InvalidAlgorithm")
    if query["X-Goog-Credential"].partition("/")[0] != account.email:
        raise LinkRefused(403, "AccessDenied")
    request = _canonical_request(method, url.path, pairs, headers)
    text = f"GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    try:
        account.verify(bytes.fromhex(query["X-Goog-Signature"]), text.encode())
    except (InvalidSignature, ValueError) as error:
        raise LinkRefused(403, "SignatureDoesNotMatch") from error
    _check_time(stamp, int(query["X-Goog-Expires"]), now)


def _canonical_request(
    method: str, path: str, pairs: list[tuple[str, str]], headers: Message
) -> str:
    names = dict(pairs)["X-Goog-SignedHeaders"]
    signed = [f"{name}:{headers[name].strip()}\n" for name in names.split(";")]
    query = "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}"
        for name, value in sorted(pairs)
        if name != "X-Goog-Signature"
    )
    return "\n".join([method, path, query, "".join(signed), names, "UNSIGNED-PAYLOAD"])


def _check_time(stamp: str, seconds: int, now: datetime) -> None:
    start = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if not 0 < seconds <= _SEVEN_DAYS:
        raise LinkRefused(400, "InvalidExpires")
    if now > start + timedelta(seconds=seconds):
        raise LinkRefused(400, "ExpiredToken")
