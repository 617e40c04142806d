"""`/login` and `/logout`: an API key becomes a session of this browser, and ends."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from api.page.contract import Contract, Refused
from api.page.rendering import page, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_MAX_FORM_BYTES = 4_000
_HERE = ("/jobs", "/compare", "/models", "/workers", "/?")
"""What the paths begin with to which a login may lead."""


async def show(request: Request) -> Response:
    """Ask for a key."""
    return page(request, "locked.html", wrong=False, destination=_destination(request))


async def begin(request: Request) -> Response:
    """Exchange the key for a cookie that scripts cannot read, and go on."""
    form = await _form(request)
    key, destination = form.get("key", "").strip(), form.get("next", "")
    headers = [(b"authorization", b"Bearer " + key.encode("ascii", "replace"))]
    answer = await Contract(request).call("POST", "/v1/session", headers=headers)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        again = _safe(destination)
        return page(request, "locked.html", answer.status, wrong=True, destination=again)
    response = see(request, _safe(destination))
    response.headers["Set-Cookie"] = answer.required().headers.get("set-cookie", "")
    return response


async def _form(request: Request) -> dict[str, str]:
    """The fields of a short form. Raises `Refused` (body_too_large)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            detail = f"The form of a login has at most {_MAX_FORM_BYTES:,} bytes."
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise Refused(
                status, {"status": status, "code": "body_too_large", "detail": detail, "errors": []}
            )
    return dict(parse_qsl(body.decode("utf-8", "replace")))


async def end(request: Request) -> Response:
    """End the session of this browser."""
    answer = (await Contract(request).call("DELETE", "/v1/session")).required()
    response = see(request, "/login")
    response.headers["Set-Cookie"] = answer.headers.get("set-cookie", "")
    return response


def _destination(request: Request) -> str:
    return _safe(request.query_params.get("next", "/"))


def _safe(path: str) -> str:
    """The path, if it is one of these pages: a login leads to no other place."""
    return path if path.startswith(_HERE) and "\\" not in path and "//" not in path else "/"
