"""Renders templates into responses with the headers that every page has."""

from __future__ import annotations

import gzip
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from api.page import assets, formatting, texts
from runtime.version import VERSION

if TYPE_CHECKING:
    from starlette.requests import Request

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{hosts}; "
    "media-src 'self' blob:{hosts}; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding, Cookie",
}


def page(request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """A page, or a part of one, for this request."""
    base = request.scope.get("root_path", "")
    body = (
        _environment()
        .get_template(template)
        .render(
            base=base,
            asset=f"{base}{assets.PATH}/{assets.version()}",
            path=request.url.path.removeprefix(base),
            origin=str(request.base_url).rstrip("/"),
            signed_in="kinomill_session=" in request.headers.get("cookie", ""),
            **values,
        )
    )
    return _zipped(request, body.encode(), status)


def see(request: Request, path: str) -> Response:
    """Send the browser to another page, after a form."""
    base = request.scope.get("root_path", "")
    return RedirectResponse(f"{base}{path}", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


def _zipped(request: Request, body: bytes, status: int) -> Response:
    headers = _HEADERS | {
        "Content-Security-Policy": _CSP.format(hosts=request.app.state.result_hosts)
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 5), headers | {"Content-Encoding": "gzip"}
    return Response(body, status, headers, "text/html; charset=utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": texts.text,
        "maybe": texts.maybe,
        "script_texts": texts.catalog()["script"],
        "language": texts.LANGUAGE,
        "version": VERSION,
    }
    for name in ("seconds", "size", "moment", "ago", "number", "ticks"):
        environment.filters[name] = getattr(formatting, name)
    return environment
