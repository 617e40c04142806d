"""Ids: a short prefix and a UUIDv7, so that they sort by creation time."""

import re

from uuid_utils import uuid7

_FORM = re.compile(r"(job|file|batch|share|msg)_[0-9a-f]{32}")


def new_job_id() -> str:
    """A job id: `job_` and 32 hex digits."""
    return f"job_{uuid7().hex}"


def new_batch_id() -> str:
    """A batch id: `batch_` and 32 hex digits."""
    return f"batch_{uuid7().hex}"


def new_share_id() -> str:
    """A share id: `share_` and 32 hex digits."""
    return f"share_{uuid7().hex}"


def new_message_id() -> str:
    """The id of a webhook message, which is that of its delivery: `msg_` and 32 hex digits."""
    return f"msg_{uuid7().hex}"


def is_id(text: str, prefix: str) -> bool:
    """Whether the text is formed like an id: `prefix` is job, file, batch, share or msg."""
    return bool(_FORM.fullmatch(text)) and text.startswith(f"{prefix}_")


def input_key(file_id: str) -> str:
    """Object key of an uploaded input."""
    return f"inputs/{file_id}"


def lowest_job_id(timestamp: float) -> str:
    """Jobs created after this moment (seconds since 1970) have higher ids: a UUIDv7 starts with
    the time in milliseconds."""
    return f"job_{round(timestamp * 1000):012x}"


def created_at(job_id: str) -> float:
    """When a job was created, in seconds since 1970."""
    return int(job_id[4:16], 16) / 1000
