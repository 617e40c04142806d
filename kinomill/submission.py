"""A submission before it is sent: inputs become values and files, and then one request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinomill.errors import InputFileError
from kinomill.transport.exchange import Request
from kinomill.transport.uploads import is_upload, is_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kinomill.transport.uploads import OnUpload, Upload


@dataclass(frozen=True)
class Submission:
    """What `submit` was called with. Its Idempotency-Key is the same for every attempt."""

    model: str
    inputs: Mapping[str, Any]
    idempotency_key: str
    labels: Mapping[str, str] | None = None
    priority: str | None = None
    ttl_seconds: int | None = None
    webhook: str | None = None
    on_upload: OnUpload | None = None
    dry_run: bool = False
    """Whether the server only checks it, and creates no job."""

    def request(self, values: Mapping[str, Any], files: Mapping[str, Upload]) -> Request:
        """Return the request: JSON, or a multipart form if there are files."""
        options = {
            "model": self.model,
            "labels": dict(self.labels) if self.labels else None,
            "priority": self.priority,
            "ttl_seconds": self.ttl_seconds,
            "dry_run": True if self.dry_run else None,
            "webhook": None if self.webhook is None else {"url": self.webhook},
        }
        given = {name: value for name, value in options.items() if value is not None}
        headers = {"Idempotency-Key": self.idempotency_key}
        if not files:
            body = {**given, "input": dict(values)}
            return Request("POST", "/v1/jobs", headers=headers, json=body)
        form = _form_fields(given) | _form_fields(values)
        return Request("POST", "/v1/jobs", headers=headers, form=form, files=files)


def merged(inputs: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Join the mapping and the keyword arguments of `submit`; None means: not given."""
    twice = sorted((inputs or {}).keys() & fields.keys())
    if twice:
        raise TypeError(f"{', '.join(twice)}: given in the mapping and as a keyword argument")
    given = {**(inputs or {}), **fields}
    return {name: value for name, value in given.items() if value is not None}


def split(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate values, which are sent as they are, from files, which are uploaded."""
    files = {name: value for name, value in inputs.items() if is_upload(value)}
    return {name: value for name, value in inputs.items() if name not in files}, files


def may_be_path(value: Any) -> bool:
    """Return whether a value would be a path in a media field: a text that is no URI.

    A local file may be named as an id is (`file_1.png`), and is taken for the file.
    """
    return isinstance(value, str) and (not is_uri(value) or _exists(value))


def local_files(values: Mapping[str, Any], media: Iterable[str]) -> dict[str, Path]:
    """Return the media fields whose text names a local file. Raises `InputFileError`."""
    found = {}
    for name in sorted(values.keys() & set(media)):
        if may_be_path(values[name]):
            if not _exists(values[name]):
                raise InputFileError(name, _no_file(values[name]))
            found[name] = Path(values[name])
    return found


def _exists(text: str) -> bool:
    """Only a short text can be a path: a data URI may have megabytes."""
    return len(text) < 4096 and "://" not in text and Path(text).is_file()


def _no_file(text: str) -> str:
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    return (
        f"no file {shown!r}; pass a path, an open file, bytes, or a text that starts with "
        "https://, gs://, data: or file_"
    )


def _form_fields(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
