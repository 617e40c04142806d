"""`/compare`: two jobs side by side, with their players in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.page.contract import Contract
from api.page.rendering import page
from api.page.views.job import view

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_CANDIDATES = 50


async def show(request: Request) -> Response:
    """The jobs in `?a=` and `?b=`, or lists to choose them from."""
    contract, query = Contract(request), request.query_params
    sides = [
        view(await contract.get(f"/v1/jobs/{query[side]}")) if query.get(side) else None
        for side in ("a", "b")
    ]
    others = await contract.get("/v1/jobs", status="succeeded", limit=_CANDIDATES)
    return page(
        request,
        "compare.html",
        sides=sides,
        candidates=[view(job) for job in others["items"]],
        rows=_rows(*(side["job"] for side in sides if side)) if all(sides) else [],
    )


def _rows(left: dict[str, Any], right: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The settings of both, those that differ first."""
    names = dict.fromkeys((*left["input"], *right["input"]))
    rows = [("model", left["model"], right["model"])]
    rows += [(name, left["input"].get(name), right["input"].get(name)) for name in names]
    given = [row for row in rows if row[1] is not None or row[2] is not None]
    return sorted(given, key=lambda row: row[1] == row[2])
