"""Whether a page of this server sent a request, or one of another site that uses our cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.errors.problems import Problem
from api.middleware.web_page_guard import SAFE_METHODS, is_same_origin
from jobs.errors import ErrorCode
from runtime.host_names import origin_of

if TYPE_CHECKING:
    from starlette.requests import Request

_SAME = "same-origin"


def require_own_page(request: Request, public_url: str, *, proof: bool) -> None:
    """Raise `Problem` (origin_not_allowed) for a request that a page of another origin sent.

    Browsers say it in `Origin` or `Sec-Fetch-Site`. With `proof`, one of them must be there.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is not None:
        own = origin.lower() == origin_of(public_url)
        allowed = own or is_same_origin(origin, request.headers.get("host", ""))
    else:
        allowed = site == _SAME if site is not None else not proof
    if not allowed:
        raise Problem(
            ErrorCode.ORIGIN_NOT_ALLOWED,
            "A session is for the pages of this server, and this request is not known to come from "
            "one. Send a key in the header Authorization: Bearer km_… instead.",
        )


def require_own_page_to_change(request: Request, public_url: str) -> None:
    """The same for a request with our cookie, which browsers add by themselves (CSRF).

    A request that only reads is admitted: a page of another origin cannot read the answer.
    """
    if request.method not in SAFE_METHODS:
        require_own_page(request, public_url, proof=True)
