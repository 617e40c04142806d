"""Keeps secrets, signed links and what people have written out of the logs.

A line is cleaned as a whole, whoever wrote it: an error of a library may quote anything.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from runtime.logs.secret_patterns import HIDDEN, MARKS, hide_secrets, names_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MIN_SECRET: Final = 8
"""Shorter values of settings are no secrets, and would hide half of a line."""
MIN_QUOTED: Final = 4
"""The same for texts of an input."""
MAX_TEXT: Final = 16_000
"""Characters of one value; a traceback of 100 calls has about as many."""
MAX_DEPTH: Final = 5
_PLAIN: Final = frozenset(
    {
        *("timestamp", "level", "logger", "event", "job", "attempt", "account", "model", "phase"),
        *("outcome", "code", "request_id", "trace_id", "method", "worker", "queue"),
    }
)
"""Fields that hold no text of an input. The event does, if a library wrote it."""
_FIRST: Final = ("timestamp", "level", "event")


class Redactor:
    """Makes the values of a line plain, and replaces what must not be in it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset(secrets)
        self._quotes: tuple[Quotes, ...] = ()

    def protect(self, secrets: Iterable[str]) -> None:
        """Replace these values wherever they are, beside those given before."""
        self._secrets |= {form for one in secrets if len(one) >= MIN_SECRET for form in _forms(one)}
        for name in ("_exact", "_marks"):
            vars(self).pop(name, None)

    @contextmanager
    def hidden(self, job_input: Mapping[str, Any]) -> Iterator[None]:
        """Hide the texts of a job's input in the lines of all threads until the block ends."""
        quotes = Quotes(job_input)
        self._quotes += (quotes,)
        try:
            yield
        finally:
            self._quotes = tuple(one for one in self._quotes if one is not quotes)

    def __call__(self, _: object, __: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """A processor of structlog: the same event, of plain values and without secrets."""
        ordered = {name: event[name] for name in _FIRST if name in event}
        ordered.update(event)
        if self._nothing_to_replace(ordered.values()):
            return ordered
        named = _PLAIN - {"event"} if "logger" in event else _PLAIN
        return {
            str(name): self._value(value, quotes=name not in named)
            for name, value in ordered.items()
        }

    def _nothing_to_replace(self, values: Iterable[Any]) -> bool:
        """Whether all values are plain and harmless, as in most lines: found out in 3 µs."""
        texts = []
        for value in values:
            if isinstance(value, str):
                texts.append(value)
            elif not (value is None or (isinstance(value, int | float) and isfinite(value))):
                return False
        text = "\n".join(texts).lower()
        fits = len(text) <= MAX_TEXT and not self._quotes
        return fits and not any(mark in text for mark in self._marks)

    def clean(self, text: str, *, quotes: bool = True) -> str:
        """A text without secrets, links and, if `quotes`, texts of inputs."""
        if quotes:
            for one in self._quotes:
                text = one.hide(text)
        if len(text) > MAX_TEXT:
            text = f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} more characters)"
        if self._exact is not None:
            text = self._exact.sub(HIDDEN, text)
        return hide_secrets(text)

    def _value(self, value: Any, *, quotes: bool, depth: int = 0) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if isfinite(value) else str(value)
        if isinstance(value, dict) and depth < MAX_DEPTH:
            return {
                self.clean(str(name), quotes=quotes): HIDDEN
                if isinstance(one, str | bytes) and names_secret(str(name))
                else self._value(one, quotes=quotes, depth=depth + 1)
                for name, one in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
            return [self._value(one, quotes=quotes, depth=depth + 1) for one in value]
        return self.clean(str(value), quotes=quotes)

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        return (*MARKS, *(one.lower() for one in self._secrets))

    @cached_property
    def _exact(self) -> re.Pattern[str] | None:
        longest_first = sorted(self._secrets, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


class Quotes:
    """The texts of one input: what people have written, and where their files are."""

    def __init__(self, job_input: Mapping[str, Any]) -> None:
        self._input = job_input

    def hide(self, text: str) -> str:
        """The text without them, however they are written."""
        return self._pattern.sub("…", text) if self._pattern is not None else text

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Built at the first use: few attempts log a free text."""
        found = {form for one in texts_in(self._input) for form in (one, repr(one)[1:-1])}
        longest_first = sorted(found, key=len, reverse=True)
        joined = "|".join(map(re.escape, longest_first))
        return re.compile(joined, re.IGNORECASE) if found else None


def _forms(secret: str) -> set[str]:
    """A secret as it is, in a URL, in JSON, and in the repr of a text."""
    encoded = {quote(secret), quote(secret, safe="")}
    lower = {re.sub("%..", lambda found: found[0].lower(), one) for one in encoded}
    return {secret, *encoded, *lower, json.dumps(secret)[1:-1], repr(secret)[1:-1]}


REDACTOR: Final = Redactor()
"""That of this process."""


def texts_in(value: Any) -> set[str]:
    """All texts in a value, at any depth, that are long enough to be hidden."""
    if isinstance(value, str):
        return {value} if len(value) >= MIN_QUOTED else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(texts_in, value)) if isinstance(value, list) else set()
