"""All models, one with the schema of its input, download its weights ahead of time."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path
from sqlalchemy.orm import Session

from api.context.app_context import AppContext
from api.context.deps import AdminDep, AnyScopeDep, ContextDep
from api.context.model_registry import ModelRegistry
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.models import weights_status
from api.models.responses import ModelEntry, ModelPage, ModelResponse, ModelSummary
from api.routers import contract_router
from jobs.errors import ErrorCode
from jobs.fleet import prefetch_requests
from jobs.fleet.worker_registry import weights_by_model
from models.spec import Card

router = contract_router(prefix="/v1/models", tags=["models"])

ANY_SCOPE = {401: [ErrorCode.UNAUTHORIZED], 422: [ErrorCode.INVALID_INPUT]}

Name = Annotated[str, Path(description="Name of the model.", examples=["preview-lipsync"])]


async def all_models(context: AppContext) -> ModelPage:
    """The models of this server. The route is in `api.predictions`, which adds to this page."""
    registry, workers = context.models, await context.database_calls.run(weights_by_model)
    items = [
        ModelSummary.of(card, registry, weights_status.summary(card, workers.get(card.name, {})))
        for card in registry.cards.values()
    ]
    return ModelPage(items=items, data=[ModelEntry(id=item.name) for item in items])


@router.get(
    "/{name}",
    responses=problem_responses(ANY_SCOPE, {404: [ErrorCode.UNKNOWN_MODEL]}, WITH_DATABASE),
)
async def get_model(name: Name, _: AnyScopeDep, context: ContextDep) -> ModelResponse:
    """Get a model: its license, the JSON Schema of its input, its weights on each worker."""
    card = context.models.get_or_404(name)
    return await context.database_calls.run(_response, card, context.models)


@router.post(
    "/{name}/prefetch",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(
        AUTHENTICATED,
        {
            403: [ErrorCode.LICENSE_NOT_ACCEPTED],
            404: [ErrorCode.UNKNOWN_MODEL],
            409: [ErrorCode.MODEL_WITHOUT_WEIGHTS],
        },
        WITH_DATABASE,
    ),
)
async def prefetch_weights(name: Name, _: AdminDep, context: ContextDep) -> ModelResponse:
    """Download the weights to every worker of this model before its first job needs them."""
    card = context.models.require_weights(name)
    return await context.database_calls.run(_request_prefetch, card, context.models)


def _request_prefetch(session: Session, card: Card, registry: ModelRegistry) -> ModelResponse:
    prefetch_requests.request(session, card.name)
    return _response(session, card, registry)


def _response(session: Session, card: Card, registry: ModelRegistry) -> ModelResponse:
    workers = weights_by_model(session).get(card.name, {})
    return ModelResponse.of(card, registry, weights_status.detail(card, workers))
