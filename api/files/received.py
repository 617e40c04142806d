"""A file that arrives in a form: its fields, and what it is by its content."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from api.bodies.incoming_file import IncomingFile
from api.errors.validation import invalid_field, invalid_input, json_pointer, rejected_media
from api.jobs.strict_json import parse_field, storable_text
from jobs.errors import ErrorCode, FieldError, RequestError
from models.spec import MediaKind
from storage.signed_links import sanitize_filename
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, check_media

if TYPE_CHECKING:
    from pathlib import Path

    from api.bodies.form_body import Form
    from runtime.media.formats import MediaFormat

PARTS: Final = ("file", "content")
"""Names of the part with the file: ours and OpenAI's, and Replicate's."""
MAX_FILENAME: Final = 200
MAX_METADATA: Final = 10_000
"""Characters of JSON."""
Purpose = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(storable_text)]


class FileFields(BaseModel):
    """What a form may say of its file. `type` and the anchor of other APIs change nothing."""

    model_config = ConfigDict(extra="forbid")

    filename: str | None = Field(default=None, max_length=MAX_FILENAME)
    ttl_seconds: int | None = Field(
        default=None,
        ge=60,
        validation_alias=AliasChoices("ttl_seconds", "expires_after[seconds]"),
    )
    purpose: Purpose | None = None
    metadata: str | None = Field(default=None, max_length=MAX_METADATA)
    type: str | None = Field(default=None, max_length=200)
    anchor: Literal["created_at"] | None = Field(default=None, alias="expires_after[anchor]")


def split_form(form: Form) -> tuple[FileFields, IncomingFile]:
    """The fields of a form, and its one file. Raises `RequestError` (invalid_input)."""
    files = [(name, part) for name, part in form if isinstance(part, IncomingFile)]
    texts: dict[str, str] = {}
    for name, part in form:
        if isinstance(part, str):
            if name in texts:
                raise invalid_field(FieldError(json_pointer(name), "is given twice"))
            texts[name] = part
    if len(files) != 1 or files[0][0] not in PARTS:
        message = "must be the only file of the form, as the part `file` or `content`"
        raise invalid_field(FieldError("/file", message))
    try:
        fields = FileFields.model_validate(texts)
    except ValidationError as error:
        raise invalid_input(error, value=texts) from error
    return fields, files[0][1]


def parse_metadata(text: str | None) -> dict[str, Any] | None:
    """The metadata in a form: a JSON object. Raises `RequestError`."""
    if text is None:
        return None
    value = parse_field(text, "metadata")
    if not isinstance(value, dict):
        raise invalid_field(FieldError("/metadata", "must be a JSON object"))
    return check_metadata(value)


def check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """The metadata, if it can be stored. Raises `RequestError` (invalid_input)."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise invalid_field(FieldError("/metadata", "contains a number out of range")) from error
    return value


def chosen_name(given: str | None, own: str) -> str:
    """The name that a file is shown with: only a name, never a path."""
    name = (given or own).replace("\\", "/").rpartition("/")[2]
    return sanitize_filename(name)[:MAX_FILENAME]


def chosen_ttl(seconds: int | None, longest: timedelta) -> timedelta:
    """How long a file is kept. Raises `RequestError` (invalid_input)."""
    if seconds is None:
        return longest
    if seconds > longest.total_seconds():
        message = f"must be at most {longest.total_seconds():.0f}, the limit of this server"
        raise invalid_field(FieldError("/ttl_seconds", message))
    return timedelta(seconds=seconds)


def check_received(file: IncomingFile) -> MediaFormat:
    """Check a file that has arrived. Raises `RequestError`; reads headers, decodes nothing."""
    if file.over_limit:
        raise too_large()
    try:
        return _checked(file)
    except MediaRejected as error:
        raise rejected_media(error, "/file", "file") from error


def _checked(file: IncomingFile) -> MediaFormat:
    if file.rejected is not None:
        raise file.rejected
    if file.upload is None or file.format is None:
        raise MediaRejected("unsupported_media", "the file is empty")
    check_file(file.upload.path, file.format)
    return file.format


def check_file(path: Path, found: MediaFormat) -> None:
    """Check that a file is complete by its own headers, and an image large enough for any model.

    Raises `MediaRejected`.
    """
    kind = next(kind for kind in MediaKind if found.usable_as(kind.value))
    check_media(path, kind.value)
    if kind is MediaKind.IMAGE:
        check_image(path, min_side=1)


def too_large() -> RequestError:
    """The error for a file over the limit of its kind."""
    message = "the file has more bytes than the server accepts of this kind of media"
    error = FieldError("/file", message)
    return RequestError(ErrorCode.INPUT_TOO_LARGE, f"{message}.", errors=(error,))
