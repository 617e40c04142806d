"""`/models` and `/workers`: what this server can run, who runs it, and who waits."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from api.page.contract import Contract
from api.page.rendering import page, see
from api.page.views.job import title

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


_LOOKS, _LOOK_SECONDS = 10, 0.2
"""The list of queues is up to a second old: the page is shown once it has what was done."""
_RUNNING = 24
"""Running jobs that the page of the workers names."""


async def models(request: Request) -> Response:
    """The models with their licenses, and their weights over the fleet."""
    contract = Contract(request)
    names = [model["name"] for model in (await contract.get("/v1/models"))["items"]]
    found = await asyncio.gather(*(contract.get(f"/v1/models/{name}") for name in names))
    return page(request, "models.html", models=found, operator=await _is_operator(contract))


async def prefetch(request: Request) -> Response:
    """Have the weights of a model downloaded to its workers."""
    await Contract(request).post(f"/v1/models/{request.path_params['name']}/prefetch")
    return see(request, "/models")


async def workers(request: Request) -> Response:
    """Workers and queues; an operator may pause and drain them."""
    contract = Contract(request)
    fleet, queues = await contract.get("/v1/workers"), await contract.get("/v1/queues")
    running = await contract.get("/v1/jobs", status="running", limit=_RUNNING)
    overview = await contract.call("GET", "/v1/overview")
    operator = overview.status == HTTPStatus.OK
    busiest = sorted(queues["items"], key=lambda each: (not each["waiting"], not each["workers"]))
    return page(
        request,
        "workers.html",
        workers=fleet["items"],
        queues=busiest,
        running=[{"job": job, "title": title(job)} for job in running["items"]],
        operator=operator,
        alerts=overview.value["alerts"] if operator else [],
        runs={each["worker"]: each for each in overview.value["running"]} if operator else {},
    )


async def _is_operator(contract: Contract) -> bool:
    """Whether the caller may do what an operator does: what others may not, they are not shown."""
    return (await contract.call("GET", "/v1/maintenance")).status == HTTPStatus.OK


async def act_on_worker(request: Request) -> Response:
    """Drain a worker, or let it take jobs again."""
    return await _act(request, "workers", ("drain", "resume"))


async def act_on_queue(request: Request) -> Response:
    """Pause a queue, or let its jobs begin again."""
    response = await _act(request, "queues", ("pause", "resume"))
    name, paused = request.path_params["name"], request.path_params["action"] == "pause"
    contract = Contract(request)
    for _ in range(_LOOKS):
        queues = (await contract.get("/v1/queues"))["items"]
        if any(each["model"] == name and bool(each["paused"]) == paused for each in queues):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return response


async def _act(request: Request, kind: str, actions: tuple[str, ...]) -> Response:
    name, action = request.path_params["name"], request.path_params["action"]
    if action not in actions:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await Contract(request).post(f"/v1/{kind}/{name}/{action}")
    return see(request, "/workers")
