"""The page that explains each error code; the `type` of a problem links to it."""

from fastapi import Request
from starlette.responses import Response

from api.context.deps import ContextDep
from api.errors.codes import codes_by_topic
from api.errors.problems import DOCS_PATH
from api.routers import other_router

router = other_router(include_in_schema=False)


@router.get(DOCS_PATH)
def error_docs(request: Request, context: ContextDep) -> Response:
    """Explain each error code of this server and its models."""
    from api.page.rendering import page  # templates load with the first page

    topics = codes_by_topic(context.models.cards.values())
    return page(request, "errors.html", topics=topics)
