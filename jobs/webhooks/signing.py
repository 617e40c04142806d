"""Signatures by the rules of Standard Webhooks (https://www.standardwebhooks.com/)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode


def secret_of(account: str, key: bytes) -> bytes:
    """What an account's webhooks are signed with: it changes when the deployment's key does."""
    return hmac.digest(key, f"webhook:{account}".encode(), hashlib.sha256)


def format_secret(secret: bytes) -> str:
    """The secret as receivers are given it: `whsec_` and base64."""
    return f"whsec_{b64encode(secret).decode()}"


def sign(body: bytes, *, secret: bytes, message_id: str, timestamp: int) -> dict[str, str]:
    """The headers that prove who sent this body, and when (in Unix seconds)."""
    words = f"{message_id}.{timestamp}.".encode() + body
    code = hmac.digest(secret, words, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(code).decode()}",
    }
