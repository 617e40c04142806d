"""`/jobs`: the gallery of jobs, with filters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.page.contract import Contract
from api.page.rendering import page
from api.page.views.job import has_preview, title

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_PER_PAGE = 100


async def show(request: Request) -> Response:
    """Jobs, newest first; `status`, `model`, `label` and `cursor` are those of the API."""
    contract, query = Contract(request), request.query_params
    found = await contract.get(
        "/v1/jobs",
        status=query.get("status"),
        model=query.get("model"),
        label=[label for label in query.getlist("label") if label],
        cursor=query.get("cursor"),
        limit=_PER_PAGE,
    )
    previews = await asyncio.gather(*(has_preview(contract, job) for job in found["items"]))
    models = (await contract.get("/v1/models"))["items"]
    return page(
        request,
        "gallery.html",
        jobs=[
            {"job": job, "title": title(job), "has_preview": preview}
            for job, preview in zip(found["items"], previews, strict=True)
        ],
        cursor=found["next_cursor"],
        models=[model["name"] for model in models],
        query={name: query.get(name, "") for name in ("status", "model", "label")},
        first=not query.get("cursor"),
    )
