"""Names, defaults and examples of settings, for errors and for the docs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices
from pydantic_core import PydanticUndefined, to_jsonable_python

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings


def variable_of(settings: type[BaseSettings], name: str) -> str:
    """The environment variable of a field."""
    alias = settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def field_of(settings: type[BaseSettings], key: str) -> FieldInfo | None:
    """The field that has this name or reads this variable."""
    name = field_name(settings, key)
    return None if name is None else settings.model_fields[name]


def field_name(settings: type[BaseSettings], key: str) -> str | None:
    """The name of the field that has this name or reads this variable."""
    for name in settings.model_fields:
        if key.lower() in {name, variable_of(settings, name).lower()}:
            return name
    return None


def default_text(field: FieldInfo) -> str | None:
    """The default as it would be written in a variable; None if there is no default."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined:
        return None
    return as_text(default)


def as_text(value: Any) -> str:
    """A value as it would be written in a variable: durations in seconds, lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    plain = to_jsonable_python(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def example_of(field: FieldInfo) -> str | None:
    """A right value: the field's own example, or else its default."""
    return as_text(field.examples[0]) if field.examples else default_text(field) or None
