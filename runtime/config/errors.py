"""Sentences for settings that are missing or wrong: which one, what is wrong, a right value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from runtime.config.base import SettingsBase
from runtime.config.fields import example_of, field_name, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError

_MAX_SHOWN = 80


def describe_errors(error: ValidationError) -> str:
    """A message with one sentence for each missing or invalid setting; secrets are not shown."""
    lines = dict.fromkeys(sentences(error))
    return "\n  ".join(["settings are missing or invalid (see docs/settings.md):", *lines])


def sentences(error: ValidationError) -> Iterator[str]:
    """One sentence for each missing or invalid setting, with an example of a right value."""
    settings = _settings_class(error.title)
    first = {tuple(fault["loc"][:1]): fault for fault in reversed(error.errors())}
    for location, fault in reversed(first.items()):
        name = field_name(settings, str(location[0])) if location else None
        if name is None:
            yield _with_variables(settings, _problem(fault))
        else:
            yield _sentence(settings, name, fault)


def _sentence(settings: type[SettingsBase], name: str, fault: Any) -> str:
    field, variable = settings.model_fields[name], variable_of(settings, name)
    example = example_of(field)
    hint = "" if example is None else f"; for example {variable}={example}"
    if fault["type"] == "missing":
        return f"{variable} is required, but not set{hint}"
    shown = "" if _is_secret(field.annotation) else _shown(fault["input"])
    return f"{variable}{shown} {_problem(fault)}{hint}"


_PROBLEMS = {
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "int_parsing_size": "should be a smaller whole number",
    "float_parsing": "should be a number",
    "bool_parsing": "should be true or false",
    "byte_size": "should be a size such as 24GB",
    "byte_size_unit": "should be a size such as 24GB",
}
"""What we say in place of pydantic, by the type of the fault."""


def _problem(fault: Any) -> str:
    """Pydantic's message as the rest of a sentence."""
    if fault["type"] in _PROBLEMS:
        return _PROBLEMS[fault["type"]]
    text = str(fault["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|Value|Tuple|Frozenset|Dictionary) should", "should", text)


def _shown(value: object) -> str:
    if not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return f"={text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + '…'}"


def _is_secret(annotation: object) -> bool:
    return "SecretStr" in str(annotation) or annotation is SecretStr


def _with_variables(settings: type[SettingsBase], text: str) -> str:
    """The text of a rule between settings, with the variables instead of the fields' names."""
    names = "|".join(sorted(settings.model_fields, key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: variable_of(settings, found[0]), text)


def _settings_class(title: str) -> type[SettingsBase]:
    return next((one for one in _subclasses(SettingsBase) if one.__name__ == title), SettingsBase)


def _subclasses(cls: type[SettingsBase]) -> Iterator[type[SettingsBase]]:
    for one in cls.__subclasses__():
        yield one
        yield from _subclasses(one)
