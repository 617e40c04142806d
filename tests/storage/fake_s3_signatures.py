"""Verification of AWS Signature Version 4 as Amazon documents it, written apart from any client."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

if TYPE_CHECKING:
    from email.message import Message

ACCESS_KEY = "AKIATESTKINOMILL"
SECRET_KEY = "a secret key of the tests"
REGION = "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"
_SKEW = timedelta(minutes=15)
_SEVEN_DAYS = 7 * 24 * 3600


class S3Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def check_header(method: str, path: str, headers: Message, body_sha256: str, now: datetime) -> None:
    """Raise `S3Refused` unless the Authorization header signs this request and its body."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("Authorization", ""),
    )
    if not found:
        raise S3Refused(403, "AccessDenied")
    credential, names, signature = found.groups()
    if headers["x-amz-content-sha256"] != body_sha256:
        raise S3Refused(400, "XAmzContentSHA256Mismatch")
    stamp = headers["x-amz-date"]
    if abs(now - _time(stamp)) > _SKEW:
        raise S3Refused(403, "RequestTimeTooSkewed")
    needed = {"host", "x-amz-content-sha256", "x-amz-date"} | {
        name.lower() for name in headers if name.lower().startswith("x-amz-")
    }
    if needed - set(names.split(";")):
        raise S3Refused(403, "AccessDenied")
    pairs = parse_qsl(urlsplit(path).query, keep_blank_values=True)
    request = _canonical(method, path, pairs, headers, names, body_sha256)
    _compare(request, credential, stamp, signature)


def check_query(method: str, path: str, headers: Message, now: datetime) -> dict[str, str]:
    """Raise `S3Refused` unless the URL is signed and has not expired; returns its other queries."""
    pairs = parse_qsl(urlsplit(path).query, keep_blank_values=True)
    query = dict(pairs)
    signed = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
    request = _canonical(method, path, signed, headers, query["X-Amz-SignedHeaders"], UNSIGNED)
    _compare(request, query["X-Amz-Credential"], query["X-Amz-Date"], query["X-Amz-Signature"])
    seconds = int(query["X-Amz-Expires"])
    if not 0 < seconds <= _SEVEN_DAYS:
        raise S3Refused(400, "AuthorizationQueryParametersError")
    if now > _time(query["X-Amz-Date"]) + timedelta(seconds=seconds):
        raise S3Refused(403, "ExpiredToken")
    return {name: value for name, value in pairs if not name.startswith("X-Amz-")}


def _canonical(
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    headers: Message,
    names: str,
    body_sha256: str,
) -> str:
    signed = [f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";")]
    query = "&".join(sorted(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in pairs))
    plain = quote(unquote(urlsplit(path).path), safe="/~")
    return "\n".join([method, plain, query, "".join(signed), names, body_sha256])


def _compare(request: str, credential: str, stamp: str, signature: str) -> None:
    access_key, _, scope = credential.partition("/")
    day, region, service, end = scope.split("/")
    if access_key != ACCESS_KEY:
        raise S3Refused(403, "InvalidAccessKeyId")
    if (day, region, service, end) != (stamp[:8], REGION, "s3", "aws4_request"):
        raise S3Refused(400, "AuthorizationHeaderMalformed")
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, region, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise S3Refused(403, "SignatureDoesNotMatch")


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
