"""Who we are to Google: the client that the machine's credentials make, and who signs links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import google.auth
from google.auth import credentials as kinds
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport.requests import Request
from google.cloud import storage

from storage.base import StorageDenied

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"


def default_client() -> storage.Client:
    """Return a client with the credentials of this machine. Raises `StorageDenied` without any."""
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE, _IAM_SCOPE])
    except DefaultCredentialsError as error:
        raise StorageDenied(
            "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a service-account "
            f"key, or run where the machine has an account of its own ({error})"
        ) from error
    return storage.Client(project=None, credentials=credentials)


def signing_arguments(credentials: Credentials) -> dict[str, Any]:
    """Return what a signed URL needs besides the client.

    A service-account key signs here. Any other account of a machine asks IAM (`signBlob`), and
    needs the role Service Account Token Creator on itself.
    """
    if isinstance(credentials, kinds.Signing):
        return {}
    if not credentials.valid:
        credentials.refresh(Request())
    email = getattr(credentials, "service_account_email", None)
    if not email:
        raise StorageDenied("links need a service account; these credentials are a person's")
    return {"service_account_email": email, "access_token": credentials.token}
