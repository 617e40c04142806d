"""Refuses a query of very many parameters: each takes time wherever one is looked for.

65,536 bytes of them, which the limit of the head allows, held the event loop for 40 to 780 ms.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from api.errors.problems import Problem, render
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_PARAMETERS: Final = 400
"""A batch may have 330: labels, columns of labels, and columns that are left out."""
_DETAIL: Final = f"The query has more than {MAX_PARAMETERS} parameters. Send fewer."


class QueryLimit:
    """ASGI middleware that answers 400 to a query of more than `MAX_PARAMETERS` parameters."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or refuse it before its query is parsed."""
        if scope["type"] == "http" and scope["query_string"].count(b"&") >= MAX_PARAMETERS:
            problem = Problem(ErrorCode.INVALID_INPUT, _DETAIL, status=HTTPStatus.BAD_REQUEST)
            await render(problem, scope.get("root_path", ""))(scope, receive, send)
            return
        await self._app(scope, receive, send)
