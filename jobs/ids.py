"""Names of things: a short prefix and a UUIDv7, so that they sort by the time they were made."""

import re

from uuid_utils import uuid7

_FORM = re.compile(r"(job|file)_[0-9a-f]{32}")


def new_job_id() -> str:
    """`job_` and 32 hex digits."""
    return f"job_{uuid7().hex}"


def new_message_id() -> str:
    """`msg_` and 32 hex digits: the id of a webhook's message."""
    return f"msg_{uuid7().hex}"


def is_id(text: str, prefix: str) -> bool:
    """Whether the text has the form of an id with this prefix."""
    return bool(_FORM.fullmatch(text)) and text.startswith(f"{prefix}_")


def input_key(file_id: str) -> str:
    """Where an uploaded input lies in the store."""
    return f"inputs/{file_id}"
