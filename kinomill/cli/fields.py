"""The inputs of a submission as they are typed: FIELD=VALUE, FIELD=@FILE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinomill.errors import UsageError
from kinomill.transport.media_text import media_text_error, shown

if TYPE_CHECKING:
    from kinomill.client import Client
    from kinomill.input_schema import InputSchema


def parse_fields(fields: list[str], client: Client, model: str) -> dict[str, Any]:
    """Parse the inputs by the schema of the model. Raises `UsageError`.

    What can be checked without the server is checked before it is asked for the schema.
    """
    texts: dict[str, str] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not (name and equals):
            hint = f": write FIELD=@{field}" if Path(field.removeprefix("@")).is_file() else ""
            raise UsageError(f"{shown(field)} is not FIELD=VALUE{hint.replace('@@', '@')}")
        if name in texts:
            raise UsageError(f"{name}: is given twice")
        texts[name] = value
    missing = {name: _missing_file(value) for name, value in texts.items()}
    schema = client.model(model).schema
    for name, error in missing.items():
        if error and (name in schema.media or name not in schema.names):
            raise UsageError(f"{name}: {error}")
    files = {name: Path(text[1:]) for name, text in texts.items() if _is_file(name, text, schema)}
    values = {name: text for name, text in texts.items() if name not in files}
    for name in schema.media & values.keys():
        if error := media_text_error(values[name]):
            raise UsageError(f"{name}: {error}")
    return {**schema.parse_form_values(values), **files}


def _is_file(name: str, text: str, schema: InputSchema) -> bool:
    """Whether a value names a file to upload: in a text field an `@` is only a character."""
    return text.startswith("@") and (name in schema.media or name not in schema.names)


def _missing_file(value: str) -> str | None:
    if not value.startswith("@"):
        return None
    if "://" in value:
        return f"{shown(value)} is an address: write it without the @"
    path = Path(value[1:]).expanduser()
    if path.is_dir():
        return f"{str(path)!r} is a folder, not a file"
    return None if path.is_file() else f"no file {str(path)!r}"
