"""Models as Replicate's clients list and read them; its list is also the one of our own clients."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from api.context.deps import AnyScopeDep, ContextDep, ReaderDep
from api.errors.problems import AUTHENTICATED, WITH_DATABASE, problem_responses
from api.models.responses import ModelPage
from api.models.routes import ANY_SCOPE, all_models
from api.predictions.versions import OWNER, Model, Version, VersionPage, require_model
from api.routers import contract_router
from jobs.errors import ErrorCode

router = contract_router(prefix="/v1/models")

MODEL_CODES = {404: [ErrorCode.UNKNOWN_MODEL]}
Owner = Annotated[str, Path(max_length=100)]
Name = Annotated[str, Path(max_length=100)]


class ModelList(ModelPage):
    """All models of this server."""

    results: list[Model] = Field(
        description="The same for clients of Replicate, each without its `latest_version`."
    )
    next: None = None
    previous: None = None


@router.get("", tags=["models"], responses=problem_responses(ANY_SCOPE, WITH_DATABASE))
async def list_models(_: AnyScopeDep, context: ContextDep) -> ModelList:
    """List the models of this server."""
    page = await all_models(context)
    url = context.settings.public_url
    results = [Model.listed(card, url) for card in context.models.cards.values()]
    return ModelList(**dict(page), results=results)


@router.get(
    f"/{OWNER}/{{name}}",
    tags=["predictions"],
    responses=problem_responses(AUTHENTICATED, MODEL_CODES),
)
async def describe_model(name: Name, _: ReaderDep, context: ContextDep) -> Model:
    """A model, as Replicate's clients read it."""
    card = require_model(context.models, OWNER, name)
    return Model.of(card, context.settings.public_url)


@router.get(
    "/{owner}/{name}/versions",
    tags=["predictions"],
    responses=problem_responses(AUTHENTICATED, MODEL_CODES),
)
async def list_versions(owner: Owner, name: Name, _: ReaderDep, context: ContextDep) -> VersionPage:
    """The versions of a model: one."""
    return VersionPage(results=[Version.of(require_model(context.models, owner, name))])


@router.get(
    "/{owner}/{name}/versions/{version}",
    tags=["predictions"],
    responses=problem_responses(AUTHENTICATED, MODEL_CODES),
)
async def get_version(
    owner: Owner,
    name: Name,
    version: Annotated[str, Path(max_length=100)],
    _: ReaderDep,
    context: ContextDep,
) -> Version:
    """A version of a model."""
    return Version.of(require_model(context.models, owner, name, version))
