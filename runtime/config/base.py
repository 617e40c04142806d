"""The base class of all settings: reads text as people write it in environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.config.fields import field_of
from runtime.config.text import read_text

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def secrets_folder() -> Path | None:
    """The folder in which Compose and Kubernetes mount secrets: one file per variable, same name.

    Environment variables take precedence over these files.
    """
    folder = Path("/run/secrets")
    return folder if folder.is_dir() else None


class SettingsBase(BaseSettings):
    """Settings of one kind. An empty variable counts as unset, unless a field says otherwise.

    Lists are JSON or separated by commas, names of choices take any case, and `~` in a path is the
    home folder.
    """

    model_config = SettingsConfigDict(
        env_prefix="KINOMILL_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        enable_decoding=False,
        secrets_dir=secrets_folder(),
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if not _is_unset(cls, name, value)}

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if not isinstance(value, str):
            return value
        return read_text(_unquoted(value.strip(), field), field.annotation)


def _unquoted(text: str, field: FieldInfo) -> str:
    """The text, which may not be in quotation marks: `docker run --env-file` keeps them.

    Raises `ValueError`.
    """
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    if quoted and "any_text" not in field.metadata:
        raise ValueError("should be without the quotation marks around it")
    return text


def _is_unset(cls: type[SettingsBase], name: str, value: object) -> bool:
    """Whether this is an empty variable of a setting with a default."""
    if not isinstance(value, str) or value.strip():
        return False
    field = field_of(cls, name)
    return field is not None and not field.is_required() and "empty" not in field.metadata
