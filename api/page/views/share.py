"""`/jobs/{id}/shares`: links for people without a key; `/shared/{token}`: what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.page.contract import Contract
from api.page.rendering import page, see
from api.page.views.job import title

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def show(request: Request) -> Response:
    """The valid links of a job."""
    contract, job_id = Contract(request), request.path_params["job_id"]
    job = await contract.get(f"/v1/jobs/{job_id}")
    found = (await contract.get(f"/v1/jobs/{job_id}/shares"))["items"]
    links = [{**each, "token": each["url"].rsplit("/", 1)[1]} for each in found]
    return page(request, "shares.html", job=job, title=title(job), links=links)


async def create(request: Request) -> Response:
    """One more link, for seven days."""
    job_id = request.path_params["job_id"]
    await Contract(request).post(f"/v1/jobs/{job_id}/share")
    return see(request, f"/jobs/{job_id}/shares")


async def revoke(request: Request) -> Response:
    """End a link."""
    job_id, share_id = request.path_params["job_id"], request.path_params["share_id"]
    path = f"/v1/jobs/{job_id}/shares/{share_id}"
    (await Contract(request).call("DELETE", path)).required()
    return see(request, f"/jobs/{job_id}/shares")


async def shared(request: Request) -> Response:
    """A shared job: its state and its result, and nothing else."""
    token = request.path_params["token"]
    job = await Contract(request).get(f"/v1/shared/{token}")
    kind = (job["result"] or {}).get("content_type", "").partition("/")[0]
    response = page(request, "shared.html", job=job, token=token, kind=kind)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
