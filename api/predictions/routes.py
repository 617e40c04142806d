"""Replicate's predictions: submit, wait, poll, list, cancel, stream."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.bodies.staging import Staging
from api.conditional import DOWNLOAD
from api.context.app_context import AppContext
from api.context.deps import ContextDep, ReaderDep, SubmitterDep, context_of
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.errors.validation import invalid_cursor
from api.events.responses import STREAM_LIMITS, EventStream
from api.jobs.cancellation import cancel_unless_final
from api.jobs.responses import JobResponse, job_response
from api.jobs.routes import IDEMPOTENCY_KEY, SUBMIT_CODES, submission_headers
from api.jobs.submission import submit
from api.jobs.waiting import wait_for_end
from api.predictions.models import MODEL_CODES, Name, Owner
from api.predictions.request import PredictionRequest, read_prediction, wait_seconds
from api.predictions.responses import Prediction, PredictionPage
from api.predictions.stream import PredictionStream
from api.predictions.versions import require_model
from api.results.whole_result import result_download
from api.routers import contract_router
from jobs import service
from jobs.errors import ErrorCode
from jobs.ids import is_id
from jobs.rows import JobRow
from jobs.states import State
from jobs.webhooks import rotation
from jobs.webhooks.signing import format_secret, secret_of

router = contract_router(prefix="/v1", tags=["predictions"])

PAGE_SIZE = 100
_FOUND = {404: [ErrorCode.JOB_NOT_FOUND]}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait` or `wait=N`: respond at the end, at the latest after 60 or N seconds.",
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": PredictionRequest.model_json_schema(
                    ref_template="#/components/schemas/{model}"
                )
            }
        },
    },
    "parameters": [_PREFER, IDEMPOTENCY_KEY],
}


@router.post(
    "/predictions",
    status_code=HTTPStatus.CREATED,
    response_model=Prediction,
    responses=problem_responses(AUTHENTICATED, SUBMIT_CODES, WITH_DATABASE),
    openapi_extra=_BODY,
)
async def create_prediction(request: Request, account: SubmitterDep) -> Response:
    """Submit a prediction. The job is stored on disk after this response and will run."""
    return await _create(request, account, None)


@router.post(
    "/models/{owner}/{name}/predictions",
    status_code=HTTPStatus.CREATED,
    response_model=Prediction,
    responses=problem_responses(AUTHENTICATED, SUBMIT_CODES, MODEL_CODES, WITH_DATABASE),
    openapi_extra=_BODY,
)
@router.post("/deployments/{owner}/{name}/predictions", include_in_schema=False)
async def run_model(
    request: Request, account: SubmitterDep, context: ContextDep, owner: Owner, name: Name
) -> Response:
    """Submit a prediction of the model `kinomill/NAME`."""
    return await _create(request, account, require_model(context.models, owner, name).name)


async def _create(request: Request, account: str, model: str | None) -> Response:
    context = context_of(request)
    async with Staging(context, account) as staging:
        parsed = await read_prediction(request, staging, model=model)
        key = request.headers.get("idempotency-key")
        submitted = await submit(parsed, staging, idempotency_key=key)
    if submitted is None:
        raise AssertionError("a prediction is no dry run")
    job, replayed = submitted
    headers = submission_headers(job, context, replayed=replayed)
    seconds = wait_seconds(request)
    if seconds:
        job = await wait_for_end(context, account, job.id, seconds, request)
    return _response(job, context, HTTPStatus.CREATED, headers, waited=seconds > 0)


class ListQuery(BaseModel):
    """A page of a list."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(default=None, max_length=100, description="From `next`.")


@router.get(
    "/predictions",
    responses=problem_responses(AUTHENTICATED, {422: [ErrorCode.INVALID_CURSOR]}, WITH_DATABASE),
)
async def list_predictions(
    account: ReaderDep, context: ContextDep, query: Annotated[ListQuery, Query()]
) -> PredictionPage:
    """List your predictions: all jobs of the account, newest first."""
    return await context.database_calls.run(_page, account, context, query.cursor)


def _page(
    session: Session, account: str, context: AppContext, cursor: str | None
) -> PredictionPage:
    if cursor is not None and not is_id(cursor, "job"):
        raise invalid_cursor()
    filters = service.Filter(None, None, {})
    rows = service.page(session, account, filters, before=cursor, limit=PAGE_SIZE + 1)
    shown = rows[:PAGE_SIZE]
    url = f"{context.settings.public_url}/v1/predictions"
    return PredictionPage(
        next=f"{url}?cursor={shown[-1].id}" if len(rows) > PAGE_SIZE else None,
        results=[Prediction.of(JobResponse.of(row, context), context) for row in shown],
    )


@router.get(
    "/predictions/{prediction_id}",
    response_model=Prediction,
    responses=problem_responses(AUTHENTICATED, _FOUND, WITH_DATABASE),
)
async def get_prediction(prediction_id: str, account: ReaderDep, context: ContextDep) -> Response:
    """Get a prediction; that of a failed job is a 200 with the status `failed`."""
    job = await context.statements.find_job(account, prediction_id)
    if job.state == State.QUEUED:
        await context.queues.get()
    return _response(job, context)


@router.post(
    "/predictions/{prediction_id}/cancel",
    response_model=Prediction,
    responses=problem_responses(AUTHENTICATED, _FOUND, WITH_DATABASE),
)
async def cancel_prediction(
    prediction_id: str, account: SubmitterDep, context: ContextDep
) -> Response:
    """Cancel a prediction; one that has ended stays as it is."""
    await cancel_unless_final(context, account, prediction_id)
    return _response(await context.statements.find_job(account, prediction_id), context)


@router.get(
    "/predictions/{prediction_id}/output/{filename}",
    response_class=Response,
    response_model=None,
    responses={
        **DOWNLOAD,
        **problem_responses(
            AUTHENTICATED,
            {
                400: [ErrorCode.INVALID_INPUT],
                404: [ErrorCode.JOB_NOT_FOUND, ErrorCode.JOB_NOT_FINISHED],
                409: [ErrorCode.JOB_WITHOUT_RESULT],
                410: [ErrorCode.RESULT_EXPIRED],
                416: [ErrorCode.INVALID_INPUT],
                503: [ErrorCode.STORAGE_UNAVAILABLE],
            },
            WITH_DATABASE,
        ),
    },
)
async def download_output(
    prediction_id: str,
    filename: Annotated[str, Path(max_length=100)],
    account: ReaderDep,
    request: Request,
) -> Response:
    """The bytes of the result, or a part of them: Replicate's client follows no redirect."""
    context = context_of(request)
    job = await context.statements.find_job(account, prediction_id)
    return await result_download(job, context, request)


@router.get(
    "/predictions/{prediction_id}/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Events `logs`, `output`, `error` and `done`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problem_responses(AUTHENTICATED, _FOUND, STREAM_LIMITS, WITH_DATABASE),
    },
)
async def stream_prediction(
    prediction_id: str, account: ReaderDep, context: ContextDep
) -> Response:
    """Follow a prediction: server-sent events."""
    await context.statements.find_job(account, prediction_id)
    events = PredictionStream(context, account, prediction_id).events()
    return EventStream(events, context.streams, account)


class WebhookKey(BaseModel):
    """The secret that signs the webhooks of an account."""

    key: str = Field(description="As Standard Webhooks write it.", examples=["whsec_K5oZfzN9…"])


@router.get("/webhooks/default/secret", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def read_secret(account: SubmitterDep, context: ContextDep) -> WebhookKey:
    """Get the secret that signs your webhooks, the newest if it was rotated."""
    version = await context.database_calls.run(rotation.version, account)
    key = context.settings.secret_key.get_secret_value().encode()
    return WebhookKey(key=format_secret(secret_of(account, key, version)))


def _response(
    job: JobRow,
    context: AppContext,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
    *,
    waited: bool = False,
) -> Response:
    prediction = Prediction.of(job_response(job, context), context, waited=waited)
    return Response(prediction.model_dump_json(), status, headers, "application/json")
