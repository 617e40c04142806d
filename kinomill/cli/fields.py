"""The inputs of a submission as they are typed: FIELD=VALUE, FIELD=@FILE."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kinomill.cli.parser import path
from kinomill.errors import Unreachable, UsageError
from kinomill.transport.media_text import media_text_error, names_file, shown

if TYPE_CHECKING:
    from kinomill.client import Client
    from kinomill.input_schema import InputSchema


def parse_fields(fields: list[str], client: Client, model: str) -> dict[str, Any]:
    """Parse the inputs by the schema of the model. Raises `UsageError`.

    A file that is missing is named also if the server cannot be asked for the schema.
    """
    texts = parse_texts(fields)
    missing = {name: reason for name, text in texts.items() if (reason := _missing_file(text))}
    try:
        schema = client.model(model).schema
    except Unreachable as error:
        for name, reason in missing.items():
            raise UsageError(f"{name}: {reason}") from error
        raise
    files = {name: path(text[1:]) for name, text in texts.items() if _is_file(name, text, schema)}
    for name in files.keys() & missing.keys():
        raise UsageError(f"{name}: {missing[name]}")
    values = {name: text for name, text in texts.items() if name not in files}
    _check_media(values, schema)
    return {**schema.parse_form_values(values), **files}


def parse_texts(fields: list[str]) -> dict[str, str]:
    """The texts by field. Raises `UsageError`."""
    texts: dict[str, str] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not (name and equals):
            hint = f": write FIELD=@{field}" if names_file(field.removeprefix("@")) else ""
            raise UsageError(f"{shown(field)} is not FIELD=VALUE{hint.replace('@@', '@')}")
        if name in texts:
            raise UsageError(f"{name}: is given twice")
        texts[name] = value
    return texts


def _check_media(values: dict[str, str], schema: InputSchema) -> None:
    for name in sorted(schema.media & values.keys()):
        if problem := media_text_error(values[name]):
            raise UsageError(f"{name}: {problem}")


def _is_file(name: str, text: str, schema: InputSchema) -> bool:
    """Whether a value names a file to upload: in a text field an `@` is only a character."""
    return text.startswith("@") and (name in schema.media or name not in schema.names)


def _missing_file(value: str) -> str | None:
    if not value.startswith("@"):
        return None
    if "://" in value:
        return f"{shown(value)} is an address: write it without the @"
    file = path(value[1:])
    if names_file(file):
        return None
    if os.path.isdir(file):  # noqa: PTH112 - `Path.is_dir` raises if a name is too long
        return f"{str(file)!r} is a folder, not a file"
    return f"no file {shown(str(file))}"
