"""Server-sent events: one open response, read event by event."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import httpx

READ_SECONDS: Final = 20.0
"""The server sends a comment every 15 s: a stream that is silent for longer passes no proxy."""
MEDIA_TYPE: Final = "text/event-stream"


class Event(NamedTuple):
    """One event, with the JSON object of its data."""

    name: str
    data: dict[str, Any]


@dataclass
class EventSource:
    """The state of a stream over its connections: what was read last, and how to go on."""

    last_id: str | None = None
    retry_seconds: float = 3.0
    """How long to wait before connecting again, as the server says."""
    response: httpx.Response | None = None
    """The open response; None before, after and between connections."""
    texts: Any = None
    """Iterates over the text of the response, as it arrives."""
    _unread: str = ""
    _event: Event | None = None
    _fields: dict[str, str] = field(default_factory=dict)

    def begin(self, response: httpx.Response, texts: Any) -> None:
        """Read from this response."""
        self.response, self.texts = response, texts
        self._unread, self._event, self._fields = "", None, {}

    def end(self) -> None:
        """The response has ended, or its connection was lost."""
        self.response = self.texts = None

    def feed(self, text: str) -> bool:
        """Take text. True: an event is complete, or a comment shows that the server is there.

        The text after that is kept for the next call.
        """
        self._unread += text
        while "\n" in self._unread:
            # no `splitlines`: it also splits at characters that JSON may hold, such as U+2028
            line, _, self._unread = self._unread.partition("\n")
            if self._feed_line(line.removesuffix("\r")):
                return True
        return False

    def _feed_line(self, line: str) -> bool:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line and name:
            self._fields[name] = value
            return False
        if line:
            return True
        fields, self._fields = self._fields, {}
        if fields.get("retry", "").isdecimal():
            self.retry_seconds = int(fields["retry"]) / 1000
        self._event = _event(fields)
        if self._event is None:
            return False
        self.last_id = fields.get("id", self.last_id)
        return True

    def take(self) -> Event | None:
        """The event that was completed last, once."""
        event, self._event = self._event, None
        return event


def is_stream(response: httpx.Response) -> bool:
    """Whether a response sends events."""
    kind = str(response.headers.get("content-type", ""))
    return response.is_success and kind.startswith(MEDIA_TYPE)


def _event(fields: dict[str, str]) -> Event | None:
    """The event of these fields; None without an object of JSON as its data."""
    try:
        data = json.loads(fields.get("data", ""))
    except ValueError:
        return None
    return Event(fields.get("event", "message"), data) if isinstance(data, dict) else None
