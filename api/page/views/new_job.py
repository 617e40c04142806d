"""`/`: choose a model, fill in its form, submit. Works without JavaScript."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from api.page.contract import Contract, Refused
from api.page.form_filter import FormFilter
from api.page.rendering import page, see
from api.page.schema_form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_TASKS = ("lip-sync", "talking-picture", "image-to-video", "background-removal")


async def show(request: Request) -> Response:
    """The form of the model in `?model=`, with the values of the job in `?from=`."""
    contract = Contract(request)
    models = (await contract.get("/v1/models"))["items"]
    source = request.query_params.get("from")
    job = await contract.get(f"/v1/jobs/{source}") if source else None
    name = job["model"] if job else request.query_params.get("model")
    return await _page(request, models, _Earlier(name, _values_of(job), job=job))


async def submit(request: Request) -> Response:
    """Submit what the form sent, and go to the job."""
    contract, form = Contract(request), FormFilter(request, request.app.state.context.turns)
    headers = [(b"content-type", form.content_type)]
    answer = await contract.call("POST", "/v1/jobs", headers=headers, body=form.body)
    if answer.status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        return see(request, f"/jobs/{answer.value['id']}")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise Refused(answer.status, answer.value)
    models = (await contract.get("/v1/models"))["items"]
    earlier = _Earlier(form.texts.get("model"), form.texts, problem=answer.value)
    return await _page(request, models, earlier, answer.status)


async def estimate(request: Request) -> Response:
    """What the form would take, by a dry run; nothing while it is not complete."""
    contract, form = Contract(request), FormFilter(request, request.app.state.context.turns)
    headers = [(b"content-type", form.content_type)]
    answer = await contract.call(
        "POST", "/v1/jobs", query="dry_run=true", headers=headers, body=form.body
    )
    if answer.status != HTTPStatus.OK:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return Response(answer.body, media_type="application/json")


async def run_example(request: Request) -> Response:
    """Submit the example that comes with a model."""
    contract, name = Contract(request), request.path_params["name"]
    model = await contract.get(f"/v1/models/{name}")
    answer = await contract.post("/v1/jobs", {"model": name, "input": model["example"]})
    return see(request, f"/jobs/{answer.value['id']}")


@dataclass(frozen=True)
class _Earlier:
    """What the form shows again: what was sent and refused, or the settings of a job."""

    name: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    problem: dict[str, Any] | None = None
    job: dict[str, Any] | None = None


async def _page(
    request: Request, models: list[dict[str, Any]], earlier: _Earlier, status: int = HTTPStatus.OK
) -> Response:
    by_name = {model["name"]: model for model in models}
    chosen = by_name.get(earlier.name or "", models[0] if models else None)
    errors = _by_field(earlier.problem)
    files = await _stored(Contract(request), earlier.values)
    form = Form.of(chosen["input_schema"]).filled(earlier.values, errors) if chosen else Form()
    return page(
        request,
        "new_job.html",
        status,
        tasks=_by_task(models),
        model=chosen,
        form=form,
        problem=earlier.problem,
        files=files,
        labels=earlier.values.get("labels", ""),
        source=earlier.job,
    )


async def _stored(contract: Contract, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The files among the values of a form that were uploaded by themselves, by id.

    A file that came with a job is an input of other jobs, too, but cannot be looked at.
    """
    ids = [value for value in values.values() if value.startswith("file_")]
    answers = await asyncio.gather(*(contract.call("GET", f"/v1/files/{each}") for each in ids))
    return {
        each: answer.value
        for each, answer in zip(ids, answers, strict=True)
        if answer.status == HTTPStatus.OK
    }


def _by_task(models: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The models of each task; the tasks in the order in which people look for them."""
    tasks = dict.fromkeys((*_TASKS, *(model["task"] for model in models)))
    found = ((task, [model for model in models if model["task"] == task]) for task in tasks)
    return [(task, those) for task, those in found if those]


def _by_field(problem: dict[str, Any] | None) -> dict[str, list[str]]:
    """The messages of a problem by the field that its pointers name."""
    found: dict[str, list[str]] = {}
    for error in (problem or {}).get("errors", []):
        parts = error["pointer"].split("/")[1:]
        name = parts[1] if parts[0] == "input" and len(parts) > 1 else parts[0]
        place = "".join(f" {part}" for part in parts[2:])
        message = f"{place.strip()}: {error['message']}" if place else error["message"]
        found.setdefault(name, []).append(message)
    return found


def _values_of(job: dict[str, Any] | None) -> dict[str, str]:
    """The values of an earlier job, as a form shows them."""
    if job is None:
        return {}
    labels = {"labels": json.dumps(job["labels"])} if job["labels"] else {}
    plain = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in job["input"].items()
        if value is not None
    }
    return labels | plain
