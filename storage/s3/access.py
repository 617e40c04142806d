"""The S3 client: credentials of the standard chain, any endpoint, timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.extras import install_command
from storage.base import StorageDenied, StorageError

if TYPE_CHECKING:
    from storage.retry import RetryConfig

CONNECTIONS = 16
"""Of one process: more than the threads of the API that call object storage."""
REGION_NAMES = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""Where the region stands: in profiles, and in variables; botocore itself knows only the second."""
DEFAULT_REGION = "us-east-1"
"""In the signatures for an endpoint of one's own where no region is configured, as MinIO wants."""


def create_client(endpoint: str | None, retry: RetryConfig) -> Any:
    """Return a client with the credentials of the standard chain.

    That is: environment variables, profiles of `~/.aws`, web identity, and the metadata of
    containers and machines. Every body is signed with its SHA-256, so the store refuses bytes that
    changed on the way. Raises `StorageDenied` without credentials, `StorageError` without botocore.
    """
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError as error:
        raise StorageError(
            f"s3:// needs the extra s3: {install_command('s3')} ({error})"
        ) from error
    config = Config(
        connect_timeout=retry.connect_seconds,
        read_timeout=retry.read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "virtual", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = Session(session_vars=REGION_NAMES)
    try:
        if session.get_credentials() is None:
            raise StorageDenied(
                "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a "
                "profile in AWS_PROFILE, or run on a machine with an attached role"
            )
        region = session.get_config_variable("region")
        return session.create_client(
            "s3",
            endpoint_url=endpoint,
            region_name=region or (DEFAULT_REGION if endpoint else None),
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise StorageDenied(f"the S3 client cannot be configured: {error}") from error
