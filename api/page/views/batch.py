"""`/batches`: many jobs at once, from a table or from many files, and what became of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

from api.page.contract import Contract, Refused
from api.page.rendering import page, see
from api.page.table_form import TableForm

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_TYPES = {".jsonl": "application/jsonl", ".ndjson": "application/jsonl"}
_STATUSES = ("succeeded", "running", "queued", "waiting", "failed", "canceled", "deleted")


async def index(request: Request) -> Response:
    """The form of a new batch, and earlier batches."""
    return await _index(request)


async def create(request: Request) -> Response:
    """Submit the rows of the file that was sent."""
    contract, form = Contract(request), TableForm(request, request.app.state.context.turns)
    try:
        await form.begin()
    except Refused as refused:
        return await _index(request, problem=refused.problem, status=refused.status)
    model, name = form.texts.get("model", ""), form.filename
    suffix = name[name.rfind(".") :].lower()
    query = urlencode({"model": model}) if model else ""
    headers = [(b"content-type", _TYPES.get(suffix, "text/csv").encode())]
    answer = await contract.call(
        "POST", "/v1/batches", query=query, headers=headers, body=form.body
    )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise Refused(answer.status, answer.value)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return await _index(request, problem=answer.value, model=model, status=answer.status)
    return see(request, f"/batches/{answer.value['id']}")


async def show(request: Request) -> Response:
    """A batch: how many rows are where."""
    batch = await Contract(request).get(f"/v1/batches/{request.path_params['batch_id']}")
    counts = [(name, batch["counts"][name]) for name in _STATUSES if batch["counts"].get(name)]
    return page(
        request,
        "batch.html",
        batch=batch,
        counts=counts,
        ended=sum(batch["counts"][name] for name in ("succeeded", "failed", "canceled", "deleted")),
    )


async def act(request: Request) -> Response:
    """A button of a batch: cancel its rows, or run its failed rows again."""
    batch_id, action = request.path_params["batch_id"], request.path_params["action"]
    if action not in {"cancel", "retry"}:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await Contract(request).post(f"/v1/batches/{batch_id}/{action}")
    return see(request, f"/batches/{batch_id}")


async def _index(
    request: Request,
    *,
    problem: dict[str, Any] | None = None,
    model: str = "",
    status: int = HTTPStatus.OK,
) -> Response:
    contract = Contract(request)
    models = (await contract.get("/v1/models"))["items"]
    batches = (await contract.get("/v1/batches", limit=20))["items"]
    return page(
        request,
        "batches.html",
        status,
        models=models,
        batches=batches,
        problem=problem,
        chosen=model or request.query_params.get("model", ""),
    )
