"""`/usage`: what was used, by day and model."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from api.page.contract import Contract
from api.page.rendering import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_SUMMED = ("submitted", "succeeded", "failed", "canceled", "gpu_seconds", "result_bytes")


async def show(request: Request) -> Response:
    """The last 30 days, or those between `?since=` and `?until=`."""
    query = {name: request.query_params.get(name) for name in ("since", "until", "model")}
    report = await Contract(request).get("/v1/usage", **query)
    lines = report["items"]
    return page(
        request,
        "usage.html",
        days=_by(lines, "day"),
        models=_by(lines, "model"),
        accounts=_by(lines, "account"),
        total=_by(lines, None),
        query=query,
        more=report["next_cursor"] is not None,
    )


def _by(lines: list[dict[str, Any]], key: str | None) -> list[dict[str, Any]]:
    """The sums of the lines with the same value of a key, and of all without one."""
    sums: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
    for line in lines:
        found = sums[str(line[key]) if key else ""]
        for name in _SUMMED:
            found[name] += line[name]
    return [{"name": name, **values} for name, values in sorted(sums.items(), reverse=key == "day")]
