"""`/jobs/{id}`: what happens to a job, and what came of it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.page.contract import Contract
from api.page.rendering import page, see
from api.page.timeline import timeline

if TYPE_CHECKING:
    from starlette.requests import Request

_PREVIEWED = ("generating", "encoding", "uploading")
FINAL = ("succeeded", "failed", "canceled")
_PARTS = {"live": "parts/job.html", "card": "parts/card.html"}


async def show(request: Request) -> Response:
    """A job; `?part=live` or `?part=card` is only that part of a page, for the script."""
    job_id = request.path_params["job_id"]
    contract = Contract(request)
    job = await contract.get(f"/v1/jobs/{job_id}")
    values = view(job) | {"has_preview": await has_preview(contract, job)}
    template = _PARTS.get(request.query_params.get("part", ""), "job.html")
    return page(request, template, **values)


async def preview(request: Request) -> Response:
    """The newest preview, or nothing: where one ended in the meantime, that is no error."""
    answer = await Contract(request).call(
        "GET", f"/v1/jobs/{request.path_params['job_id']}/preview"
    )
    if answer.status != HTTPStatus.OK:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(answer.body, headers=headers, media_type="image/jpeg")


async def act(request: Request) -> Response:
    """A button of the page: cancel, run again, delete."""
    contract, job_id = Contract(request), request.path_params["job_id"]
    action = request.path_params["action"]
    if action == "cancel":
        await contract.post(f"/v1/jobs/{job_id}/cancel")
        return see(request, f"/jobs/{job_id}")
    if action == "retry":
        answer = await contract.post(f"/v1/jobs/{job_id}/retry")
        return see(request, f"/jobs/{answer.value['id']}")
    if action == "delete":
        answer = await contract.call("DELETE", f"/v1/jobs/{job_id}")
        answer.required()
        return see(request, "/jobs")
    raise HTTPException(404)


async def has_preview(contract: Contract, job: dict[str, Any]) -> bool:
    """Whether a running job has a preview yet: a browser logs an error for each image it lacks."""
    if job["status"] != "running" or job["phase"] not in _PREVIEWED:
        return False
    return (await contract.call("GET", f"/v1/jobs/{job['id']}/preview")).status == HTTPStatus.OK


def view(job: dict[str, Any]) -> dict[str, Any]:
    """What the templates show of a job."""
    return {
        "job": job,
        "final": job["status"] in FINAL,
        "timeline": timeline(job),
        "kind": (job["result"] or {}).get("content_type", "").partition("/")[0],
        "settings": {
            name: value for name, value in job["input"].items() if value is not None and value != []
        },
        "title": title(job),
        "total": _seconds(job["created_at"], job["ended_at"]),
    }


def _seconds(begin: str, end: str | None) -> float | None:
    if end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def title(job: dict[str, Any]) -> str:
    """What the job is about: its prompt or text, else its model."""
    given = job["input"]
    said = (given[name] for name in ("prompt", "text") if given.get(name))
    return str(next(said, job["model"]))
