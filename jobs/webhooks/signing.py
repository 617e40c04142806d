"""Webhook signatures as specified by Standard Webhooks (https://www.standardwebhooks.com/)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode


def secret_of(account: str, key: bytes) -> bytes:
    """Signing secret of an account, derived from the deployment's key."""
    return hmac.digest(key, f"webhook:{account}".encode(), hashlib.sha256)


def format_secret(secret: bytes) -> str:
    """The secret in the form that receivers configure: `whsec_` and base64."""
    return f"whsec_{b64encode(secret).decode()}"


def sign(body: bytes, *, secret: bytes, message_id: str, timestamp: int) -> dict[str, str]:
    """Headers that sign a body sent at `timestamp` (Unix seconds)."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = hmac.digest(secret, content, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }
