"""Webhook signatures as specified by Standard Webhooks (https://www.standardwebhooks.com/)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def secret_of(account: str, key: bytes, version: int = 1) -> bytes:
    """Signing secret of an account, derived from the deployment's key; see `rotation`."""
    number = "" if version == 1 else f":{version}"
    return hmac.digest(key, f"webhook:{account}{number}".encode(), hashlib.sha256)


def format_secret(secret: bytes) -> str:
    """The secret in the form that receivers configure: `whsec_` and base64."""
    return f"whsec_{b64encode(secret).decode()}"


def sign(
    body: bytes, *, secrets: Sequence[bytes], message_id: str, timestamp: int
) -> dict[str, str]:
    """Headers that sign a body sent at `timestamp` (Unix seconds), with each of the secrets.

    A receiver accepts the message if one of the signatures is that of a secret that it knows.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [hmac.digest(secret, content, hashlib.sha256) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{b64encode(one).decode()}" for one in signatures),
    }
