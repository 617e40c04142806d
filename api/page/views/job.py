"""`/jobs/{id}`: what happens to a job, and what came of it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.page.contract import Contract
from api.page.rendering import page, see
from api.page.schema_form import Form
from api.page.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

_PREVIEWED = ("generating", "encoding", "uploading")
FINAL = ("succeeded", "failed", "canceled")
_PARTS = {"live": "parts/job.html", "card": "parts/card.html"}


async def show(request: Request) -> Response:
    """A job; `?part=live` or `?part=card` is only that part of a page, for the script."""
    job_id = request.path_params["job_id"]
    contract = Contract(request)
    job = await contract.get(f"/v1/jobs/{job_id}")
    part = request.query_params.get("part", "")
    attempts = [] if part == "card" else await _attempts(contract, job)
    values = view(job, attempts) | {"has_preview": await has_preview(contract, job)}
    if part != "card":
        values["settings"] = await _settings(contract, job)
    return page(request, _PARTS.get(part, "job.html"), **values)


async def _attempts(contract: Contract, job: dict[str, Any]) -> list[dict[str, Any]]:
    """The logs of the attempts; none before the first one."""
    if not job["attempt"]:
        return []
    logs: dict[str, Any] = await contract.get(f"/v1/jobs/{job['id']}/logs")
    return list(logs["attempts"])


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


async def _settings(contract: Contract, job: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """The name, the value and the unit of each setting, in the order of the form."""
    answer = await contract.call("GET", f"/v1/models/{job['model']}")
    known = answer.value["input_schema"] if answer.status == HTTPStatus.OK else {}
    units = {each.name: each.unit for each in Form.of(known).fields}
    given = {name: value for name, value in job["input"].items() if value not in (None, [])}
    names = dict.fromkeys((*units, *given))
    return [(name, given[name], units.get(name, "")) for name in names if name in given]


def view(job: dict[str, Any], attempts: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What the templates show of a job."""
    return {
        "job": job,
        "final": job["status"] in FINAL,
        "timeline": timeline(job, attempts[-1] if attempts else None),
        "attempts": [attempt | {"lines": _lines(attempt)} for attempt in attempts],
        "kind": (job["result"] or {}).get("content_type", "").partition("/")[0],
        "title": title(job),
        "total": _seconds(job["created_at"], job["ended_at"]),
    }


def _lines(attempt: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a log, with their seconds since its start and their fields as text."""
    return [
        line
        | {
            "seconds": _seconds(attempt["started_at"], line["at"]),
            "text": " ".join(f"{name}={value}" for name, value in line["fields"].items()),
        }
        for line in attempt["lines"]
    ]


def _seconds(begin: str, end: str | None) -> float | None:
    if end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def title(job: dict[str, Any]) -> str:
    """What the job is about: its prompt or text, else its model."""
    given = job["input"]
    said = (given[name] for name in ("prompt", "text") if given.get(name))
    return str(next(said, job["model"]))
