"""Calls the public API in this process, as the browser that asked for a page would."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

_OF_THE_BODY = frozenset({b"content-type", b"content-length", b"transfer-encoding"})
_OF_THE_PAGE = frozenset({b"range", b"if-none-match", b"if-modified-since"})
_COPIED = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "state")
"""What a call has of the scope of the page's request."""


class Refused(Exception):
    """The API refused a call: its status and its problem (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", ""))
        self.status = status
        self.problem = problem


@dataclass
class Answer:
    """A response of the API."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def value(self) -> Any:
        """The body as JSON; an empty object where there is none."""
        return json.loads(self.body) if self.body else {}

    async def receive(self, message: Message) -> None:
        """Take one message of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = message.get("headers", [])
            self.headers = {name.decode().lower(): value.decode() for name, value in pairs}
        else:
            self.body += message.get("body", b"")

    def required(self) -> Answer:
        """This answer, if it is a success. Raises `Refused`."""
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(self.status, self.value)
        return self


class Contract:
    """The public API for one request of a browser: its cookies and headers, its rights.

    Every check of the API holds for the page, too: keys, scopes, limits, and which pages of other
    sites may send requests.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path below `/v1`; parameters that are None are left out.

        Raises `Refused`.
        """
        given = {name: value for name, value in query.items() if value not in (None, "", [])}
        answer = await self.call("GET", path, query=urlencode(given, doseq=True))
        return answer.required().value

    async def post(self, path: str, body: dict[str, Any] | None = None, query: str = "") -> Answer:
        """Send JSON, or nothing. Raises `Refused`."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = [] if body is None else [(b"content-type", b"application/json")]
        headers.append((b"content-length", b"%d" % len(content)))
        answer = await self.call("POST", path, query=query, headers=headers, body=_once(content))
        return answer.required()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: list[tuple[bytes, bytes]] | None = None,
        body: Receive | None = None,
    ) -> Answer:
        """Call a route and collect its answer, whatever its status."""
        scope = {name: self._request.scope[name] for name in _COPIED if name in self._request.scope}
        own = [pair for pair in self._request.headers.raw if pair[0] not in _OF_THE_BODY]
        own = [pair for pair in own if pair[0] not in _OF_THE_PAGE]
        scope |= {"method": method, "path": path, "raw_path": path.encode()}
        scope |= {"query_string": query.encode(), "headers": own + (headers or [])}
        answer = Answer()
        await self._request.app(scope, body or _once(b""), answer.receive)
        return answer


def _once(content: bytes) -> Receive:
    """A body in one piece, of a caller that then waits for the answer."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    return receive
