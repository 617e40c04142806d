"""A submission before it is sent: inputs become values and files, and then one request."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kinomill.errors import InputFileError
from kinomill.transport.exchange import Request, exchange
from kinomill.transport.media_text import names_file
from kinomill.transport.uploads import is_upload, is_uri, opened
from kinomill.watch import WAIT_SECONDS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import httpx

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation
    from kinomill.transport.uploads import OnUpload, Upload


_FORMATS: Final = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_MEDIA: Final = ("file", "background")


@dataclass(frozen=True)
class Submission:
    """What `submit` was called with. Its Idempotency-Key is the same for every attempt."""

    model: str
    inputs: Mapping[str, Any]
    idempotency_key: str
    labels: Mapping[str, str] | None = None
    priority: str | None = None
    ttl_seconds: int | None = None
    start_within_seconds: int | None = None
    webhook: str | None = None
    on_upload: OnUpload | None = None
    dry_run: bool = False
    """Whether the server only checks it, and creates no job."""
    estimate: bool = False
    """Whether the server checks it with all limits, and answers what it would take."""
    wait: float = 0
    """How many seconds the server waits for the end of the job before it answers."""

    def request(self, values: Mapping[str, Any], files: Mapping[str, Upload]) -> Request:
        """Return the request: JSON, or a multipart form if there are files."""
        options = {
            "model": self.model,
            "labels": dict(self.labels) if self.labels else None,
            "priority": self.priority,
            "ttl_seconds": self.ttl_seconds,
            "start_within_seconds": self.start_within_seconds,
            "dry_run": True if self.dry_run else None,
            "webhook": None if self.webhook is None else {"url": self.webhook},
        }
        given = {name: value for name, value in options.items() if value is not None}
        request = Request(
            "POST",
            "/v1/jobs",
            params=self._params(),
            headers={"Idempotency-Key": self.idempotency_key},
            hold_seconds=self.wait,
        )
        if not files:
            return replace(request, json={**given, "input": dict(values)})
        form = form_fields(given) | form_fields(values)
        return replace(request, form=form, files=files)

    def _params(self) -> dict[str, Any]:
        if self.estimate:
            return {"dry_run": "true"}
        return {"wait": self.wait} if self.wait else {}


def format_of(to: str | os.PathLike[str]) -> str | None:
    """The format that a file name asks for by its extension, if it is one of a picture."""
    return _FORMATS.get(Path(to).suffix.lower())


def request_removal(
    fields: Mapping[str, Any], key: str, on_upload: OnUpload | None, policy: RetryPolicy
) -> Operation[httpx.Response]:
    """Send the form; a text that names a local file is uploaded. The answer is 200 or 202.

    Raises `InputFileError`, `ApiError`.
    """
    values, files = split({name: value for name, value in fields.items() if value is not None})
    files |= local_files(values, _MEDIA)
    texts = {name: value for name, value in values.items() if name not in files}
    with opened(files, on_upload) as uploads:
        request = Request(
            "POST",
            "/v1/background-removal",
            params={"wait": WAIT_SECONDS},
            headers={"Idempotency-Key": key},
            form=form_fields(texts),
            files=uploads,
            multipart=True,
            hold_seconds=WAIT_SECONDS,
        )
        return (yield from exchange(request, policy))


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
    return isinstance(value, str) and (not is_uri(value) or names_file(value))


def local_files(values: Mapping[str, Any], media: Iterable[str]) -> dict[str, Path]:
    """Return the media fields whose text names a local file. Raises `InputFileError`."""
    found = {}
    for name in sorted(values.keys() & set(media)):
        if may_be_path(values[name]):
            if not names_file(values[name]):
                raise InputFileError(name, _no_file(values[name]))
            found[name] = Path(values[name])
    return found


def _no_file(text: str) -> str:
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    return (
        f"no file {shown!r}; pass a path, an open file, bytes, or a text that starts with "
        "https://, gs://, s3://, data: or file_"
    )


def form_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """The values as texts of a form: JSON, except for texts."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
