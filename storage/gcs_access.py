"""Google Cloud credentials: the default client, and the arguments that sign URLs."""

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
    """Return a client with Application Default Credentials.

    Raises `StorageDenied` when there are none.
    """
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE, _IAM_SCOPE])
    except DefaultCredentialsError as error:
        raise StorageDenied(
            "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a service-account "
            f"key, or run on a machine with an attached service account ({error})"
        ) from error
    return storage.Client(project=None, credentials=credentials)


def signing_arguments(credentials: Credentials) -> dict[str, Any]:
    """Return the arguments that `generate_signed_url` needs for these credentials.

    A service-account key signs locally. Any other service account signs through IAM (`signBlob`)
    and needs the role Service Account Token Creator on itself. Raises `StorageDenied` for user
    credentials, which cannot sign.
    """
    if isinstance(credentials, kinds.Signing):
        return {}
    if not credentials.valid:
        credentials.refresh(Request())
    email = getattr(credentials, "service_account_email", None)
    if not email:
        raise StorageDenied("signed URLs need a service account; these are user credentials")
    return {"service_account_email": email, "access_token": credentials.token}
