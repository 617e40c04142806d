"""`/models` and `/workers`: what this server can run, who runs it, and who waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.page.contract import Contract
from api.page.rendering import page, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def models(request: Request) -> Response:
    """The models with their licenses, and their weights over the fleet."""
    contract = Contract(request)
    names = [model["name"] for model in (await contract.get("/v1/models"))["items"]]
    found = await asyncio.gather(*(contract.get(f"/v1/models/{name}") for name in names))
    return page(request, "models.html", models=found)


async def prefetch(request: Request) -> Response:
    """Have the weights of a model downloaded to its workers."""
    await Contract(request).post(f"/v1/models/{request.path_params['name']}/prefetch")
    return see(request, "/models")


async def workers(request: Request) -> Response:
    """Workers and queues."""
    contract = Contract(request)
    fleet, queues = await contract.get("/v1/workers"), await contract.get("/v1/queues")
    busiest = sorted(queues["items"], key=lambda each: (not each["waiting"], not each["workers"]))
    return page(request, "workers.html", workers=fleet["items"], queues=busiest)
