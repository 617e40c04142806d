"""The events of the log and their fields, read from the calls in the code."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "api": "API",
    "maintenance": "maintenance",
    "models": "worker",
    "workers": "worker",
}
"""Who writes the events of a folder; those of the others may be any program's."""
ROOMS = (*PROGRAMS, "accounts", "jobs", "runtime", "storage", "weights")
LEVELS = {
    "debug": "debug", "info": "info", "warning": "warning",
    "error": "error", "exception": "error", "critical": "critical",
}  # fmt: skip
OPEN = "…"
"""In place of fields that depend on the case, such as what a model has decided."""


@dataclass
class LogEvent:
    """One event: what the calls with this text have in common, and the fields of any of them."""

    text: str
    levels: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


@cache
def events() -> dict[str, LogEvent]:
    """All events by their text."""
    found: dict[str, LogEvent] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for call, fields in _calls(ast.parse(path.read_text())):
                text = _text(call, path)
                event = found.setdefault(text, LogEvent(text))
                event.levels.add(LEVELS[call.func.attr])  # type: ignore[attr-defined]
                event.programs.add(PROGRAMS.get(room, "any"))
                event.fields |= fields
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, set[str]]]:
    """The calls of `log`, with their fields."""
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in _own_nodes(scope):
                if _is_log_call(node):
                    yield node, set(_fields(node, scope))


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own_nodes(child)


def _is_log_call(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and node.func.attr in LEVELS
    )


def _text(call: ast.Call, path: Path) -> str:
    [first] = call.args
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    raise ValueError(f"{path}:{call.lineno}: the event must be a text, and what varies a field")


def _fields(call: ast.Call, scope: ast.AST) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "exc_info":
            continue
        if keyword.arg is not None:
            yield keyword.arg
        else:
            yield from _names_of(keyword.value, scope)


def _names_of(value: ast.expr, scope: ast.AST) -> Iterator[str]:
    """The fields of `**value`: of a dict that is written in the same function, or `OPEN`."""
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Dict)
            and ast.unparse(node.targets[0]) == ast.unparse(value)
        ):
            yield from (ast.literal_eval(key) for key in node.value.keys if key is not None)
            return
    yield OPEN


def events_table() -> str:
    """The events as a table."""
    rows = ["| event | level | program | fields |", "|---|---|---|---|"]
    for text, event in sorted(events().items()):
        fields = ", ".join(f"`{one}`" if one != OPEN else one for one in sorted(event.fields))
        programs = "any" if "any" in event.programs else ", ".join(sorted(event.programs))
        rows.append(f"| {text} | {', '.join(sorted(event.levels))} | {programs} | {fields} |")
    return "\n".join(rows)


def field_meanings() -> dict[str, dict[str, str]]:
    """What each field means: `context` of all lines, `fields` of events."""
    return tomllib.loads((ROOT / "docs" / "log_fields.toml").read_text())


def fields_table() -> str:
    """The fields as a table, those of the context first."""
    rows = ["| field | meaning |", "|---|---|"]
    for name, meaning in field_meanings()["context"].items():
        rows.append(f"| `{name}` | {meaning} |")
    for name, meaning in sorted(field_meanings()["fields"].items()):
        rows.append(f"| `{name}` | {meaning} |")
    return "\n".join(rows)
