"""The route of metrics. Without the setting nothing of them is imported."""

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from api.context.deps import ContextDep
from api.errors.problems import FROM_PAGES, problem_responses
from api.routers import other_router
from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from api.metrics.requests import RequestFigures

router = other_router(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string"}}
                for kind in ("text/plain", "application/openmetrics-text")
            }
        },
        **problem_responses({404: [ErrorCode.NOT_FOUND]}, FROM_PAGES),
    },
)
async def metrics(request: Request, context: ContextDep) -> Response:
    """Metrics for Prometheus, or as OpenMetrics. 404 unless KINOMILL_METRICS is true."""
    if not context.settings.metrics:
        detail = "Metrics are off. Set KINOMILL_METRICS=true to enable them."
        raise RequestError(ErrorCode.NOT_FOUND, detail)
    from runtime.metrics.exposition import render

    figures = await request.app.state.scraper.figures(context)
    content, media_type = render(figures, request.headers.get("accept", ""))
    return Response(content, media_type=media_type)


def count_requests(app: FastAPI) -> "RequestFigures":
    """What counts the requests of an app, for its scrapes. Call it only if metrics are on."""
    from api.metrics.scrape import Scraper

    app.state.scraper = scraper = Scraper()
    return scraper.requests
