"""A Google service account for the tests, with a generated RSA key."""

from __future__ import annotations

import base64
from functools import cached_property

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth.crypt import RSASigner
from google.oauth2 import service_account


class ServiceAccount:
    email = "worker@kinomill-test.iam.gserviceaccount.com"

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def signer(self) -> RSASigner:
        return RSASigner.from_service_account_info(self.fields(""))

    @property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def fields(self, url: str) -> dict[str, str]:
        """Return the content of a key file in Google's format, with tokens from `url`."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": "kinomill-test",
            "private_key_id": "key-1",
            "private_key": pem.decode(),
            "client_email": self.email,
            "token_uri": f"{url}/token",
        }

    def credentials(self, url: str) -> service_account.Credentials:
        return service_account.Credentials(self.signer, self.email, token_uri=f"{url}/token")

    def sign_base64(self, payload: str) -> str:
        message = base64.b64decode(payload)
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def verify(self, signature: bytes, message: bytes) -> None:
        self.key.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
