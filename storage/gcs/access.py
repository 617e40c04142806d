"""Google Cloud credentials: the default client, and those that sign URLs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import google.auth
from google.auth import credentials as kinds
from google.auth import iam
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport import requests
from google.cloud import storage
from google.oauth2 import service_account

from storage.base import StorageDenied

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_NOT_USED = "https://oauth2.googleapis.com/token"


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


def signing_credentials(credentials: Credentials, seconds: float) -> Credentials:
    """Credentials that sign URLs; a request to do so takes no longer than these seconds.

    A service-account key signs locally. Any other service account signs through IAM (`signBlob`)
    and needs the role Service Account Token Creator on itself. Raises `StorageDenied` for user
    credentials, which cannot sign.
    """
    if isinstance(credentials, kinds.Signing):
        return credentials
    request = _requests_within(seconds)
    if not credentials.valid:
        credentials.refresh(request)
    email = getattr(credentials, "service_account_email", None)
    if not email:
        raise StorageDenied("signed URLs need a service account; these are user credentials")
    signer = iam.Signer(request, credentials, email)
    return service_account.Credentials(signer, email, token_uri=_NOT_USED)


def _requests_within(seconds: float) -> Callable[..., Any]:
    """Requests with a timeout: Google's client waits two minutes for an IAM that is silent."""
    send = requests.Request()

    def request(url: str, **options: Any) -> Any:
        response = send(url=url, **({"timeout": seconds} | options))
        if url.endswith(":signBlob") and response.status == HTTPStatus.FORBIDDEN:
            raise StorageDenied(
                "IAM refuses to sign links: give the service account the role Service Account "
                f"Token Creator on itself ({response.data!r:.200})"
            )
        return response

    return request
