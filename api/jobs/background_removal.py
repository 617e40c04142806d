"""`POST /v1/background-removal`: a picture in, a picture out, in one request.

A convenience on top of the queue: the request is a submission like any other, waits for the end of
its job, and is answered with the bytes of the result.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response

from api.bodies.form_body import Form
from api.bodies.staging import Staging
from api.context.app_context import AppContext
from api.context.deps import SUBMITTER, authenticated, context_of
from api.direct_route import DirectRoute
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.errors.validation import invalid_field
from api.jobs.request_body import parse_form, read_form_body, unsupported
from api.jobs.responses import JobResponse
from api.jobs.routes import IDEMPOTENCY_KEY, SUBMIT_CODES, accepted, submission_headers
from api.jobs.submission import submit
from api.jobs.waiting import PREFER, wait_for_end, wait_parameter, wait_seconds
from api.results.whole_result import failure, whole_result
from api.routers import contract_router
from jobs.errors import ErrorCode, FieldError, RequestError
from jobs.rows import JobRow
from jobs.states import State
from models.spec import Card, MediaKind

router = contract_router(prefix="/v1/background-removal", tags=["background removal"])

TASK: Final = "background-removal"
WAIT_SECONDS: Final = 30.0
"""How long a request waits that does not say so itself."""
_NAMES: Final = {"file": "image", "output_format": "format"}
"""Fields of this form, and the model's inputs that they are."""
_PICTURE: Final = {"schema": {"type": "string", "format": "binary"}}
_FAILURES: Final = {
    409: [ErrorCode.JOB_WITHOUT_RESULT],
    410: [ErrorCode.RESULT_EXPIRED],
    422: [
        ErrorCode.FETCH_FAILED,
        ErrorCode.FETCH_TIMEOUT,
        ErrorCode.MODEL_ERROR,
        ErrorCode.WORKER_LOST,
        ErrorCode.TIMEOUT,
        ErrorCode.STALLED,
        ErrorCode.DISK_FULL,
        ErrorCode.DISK_UNWRITABLE,
        ErrorCode.WEIGHTS_UNAVAILABLE,
        ErrorCode.GPU_OUT_OF_MEMORY,
    ],
    500: [ErrorCode.INTERNAL_ERROR],
    503: [ErrorCode.STORAGE_UNAVAILABLE],
}
_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "description": "Other fields are inputs of the model (`output`, `color`, ...) or "
                "fields of a submission (`labels`, `priority`, ...).",
                "additionalProperties": True,
                "properties": {
                    "file": {
                        "description": "The picture: a file, or its URL.",
                        "anyOf": [
                            {"type": "string", "format": "binary"},
                            {"type": "string", "format": "uri"},
                        ],
                    },
                    "output_format": {
                        "type": "string",
                        "enum": ["png", "webp", "jpeg"],
                        "default": "png",
                    },
                    "model": {
                        "type": "string",
                        "description": "Default: the first model of this task that a worker "
                        "serves now. The response names it in `Kinomill-Model`.",
                    },
                },
            }
        }
    },
}


@router.post(
    "",
    response_class=Response,
    response_model=None,
    responses={
        HTTPStatus.OK: {
            "description": "The picture. `Location` is its job.",
            "content": {f"image/{kind}": _PICTURE for kind in ("png", "webp", "jpeg")},
        },
        HTTPStatus.ACCEPTED: {
            "description": "The job has not ended yet; `Location` is where it is.",
            "model": JobResponse,
        },
        HTTPStatus.NO_CONTENT: {"description": "A dry run that would be accepted"},
        **problem_responses(AUTHENTICATED, SUBMIT_CODES, _FAILURES, WITH_DATABASE),
    },
    openapi_extra=authenticated(IDEMPOTENCY_KEY, wait_parameter(WAIT_SECONDS), PREFER)
    | {"requestBody": _BODY},
)
async def remove_background(request: Request) -> Response:
    """Remove the background of a picture, and wait for the result."""
    account = await SUBMITTER(request)
    context = context_of(request)
    seconds = wait_seconds(request, default=WAIT_SECONDS)
    submitted = await _submit(request, context, account)
    if submitted is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    job, replayed = submitted
    headers = submission_headers(job, context, replayed=replayed) | {"Kinomill-Model": job.model}
    if seconds:
        job = await wait_for_end(context, account, job.id, seconds, request)
    if not job.final:
        return accepted(job, context, headers)
    if job.state != State.SUCCEEDED:
        raise failure(job, headers)
    return await whole_result(job, context, headers)


DIRECT = (DirectRoute("POST", "/v1/background-removal", remove_background, query=("wait",)),)


async def _submit(
    request: Request, context: AppContext, account: str
) -> tuple[JobRow, bool] | None:
    """Submit the form as a job; nothing of it is kept in memory after that."""
    async with Staging(context, account) as staging:
        form = await read_form_body(request, staging)
        if form is None:
            raise unsupported("Send multipart/form-data.")
        await context.queues.get()
        key = request.headers.get("idempotency-key")
        try:
            parsed = await context.parsing.run(parse_form, as_submission(form, context))
            _require_task(parsed.envelope.model, context)
            return await submit(parsed, staging, idempotency_key=key)
        except RequestError as error:
            raise _as_sent(error) from error


def _require_task(model: str, context: AppContext) -> None:
    card = context.models.require_submittable(model)
    if not _takes_pictures(card):
        message = f"is no model of the task {TASK} for pictures: submit {card.name} to /v1/jobs"
        raise invalid_field(FieldError("/model", message))


def _as_sent(error: RequestError) -> RequestError:
    """The error with the names of this form: its input `image` is the field `file`."""
    named = {f"/input/{ours}": f"/{name}" for name, ours in _NAMES.items()}
    errors = tuple(
        FieldError(named.get(each.pointer, each.pointer), each.message) for each in error.errors
    )
    detail = error.detail
    for ours, name in named.items():
        detail = detail.replace(ours, name)
    return replace(error, errors=errors, detail=detail)


def as_submission(form: Form, context: AppContext) -> Form:
    """The form of a submission: the model's own names, and a model if the caller named none."""
    given = {name for name, _ in form}
    if "file" not in given:
        raise invalid_field(FieldError("/file", "is required: the picture, a file or its URL"))
    defaults: Form = [("model", _default_model(context)), ("priority", "interactive")]
    renamed = [(_NAMES.get(name, name), part) for name, part in form]
    return [*(pair for pair in defaults if pair[0] not in given), *renamed]


def _default_model(context: AppContext) -> str:
    """The first model of the task that a worker serves now, else the first one of all."""
    cards = [card for card in context.models.cards.values() if _takes_pictures(card)]
    cards = [card for card in cards if context.models.license_accepted(card)]
    served = [card for card in cards if context.queues.latest(card.name).workers]
    if not cards:
        message = f"is required: this server has no model of the task {TASK} for pictures"
        raise invalid_field(FieldError("/model", message))
    return (served or cards)[0].name


def _takes_pictures(card: Card) -> bool:
    return card.task == TASK and card.input.media_fields().get("image") is MediaKind.IMAGE
