"""Builds the FastAPI app."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api import health
from api.context.app_context import AppContext
from api.deferred_routes import DeferredRoutes
from api.errors import handlers
from api.events import routes as events
from api.files import downloads
from api.jobs import routes as jobs
from api.metrics import routes as metrics
from api.metrics.routes import count_requests
from api.middleware.body_limit import BodyLimit
from api.middleware.finished_requests import FinishedRequests
from api.middleware.head_as_get import HeadAsGet
from api.middleware.private_responses import PrivateResponses
from api.middleware.query_limit import QueryLimit
from api.middleware.single_headers import SingleHeaders
from api.middleware.web_page_guard import WebPageGuard
from api.models.manifests import read_manifests
from api.openapi import KinomillAPI
from api.page.result_hosts import result_hosts
from api.page.routes import ROUTES as PAGES
from api.results import routes as results
from api.settings import ApiSettings
from api.traces import middleware as request_spans
from models import catalog
from runtime.host_names import origin_of
from runtime.logs.configure import configure
from runtime.logs.thread import logs_in_thread
from runtime.traces import tracing
from runtime.version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

DESCRIPTION = """
Generate video from an image, a video or speech, or cut a picture out: submit a job, poll it (or
wait for it with `?wait=30`), then download the result. Unless the server runs without keys, every
request below `/v1` needs one: `Authorization: Bearer km_…`.

Errors are `application/problem+json` (RFC 9457) with a `code` from a closed list, explained at
[/docs/errors]({prefix}/docs/errors).
"""

FIRST_ROUTES = (
    *(*jobs.DIRECT, *health.DIRECT),
    *(
        route
        for module in (jobs, events, results, health, metrics, downloads)
        for route in module.router.routes
    ),
    *PAGES,
)
"""What nearly every server is asked for: jobs, their results, its health, its pages."""


def create_app(settings: ApiSettings | None = None) -> KinomillAPI:
    """Create the app. Without `settings` they are read from the environment."""
    chosen = settings or ApiSettings()
    configure(log_format=chosen.log_format, level=chosen.log_level)
    prefix = urlsplit(chosen.public_url).path.rstrip("/")
    app = KinomillAPI(
        title="Kinomill",
        version=VERSION,
        description=DESCRIPTION.format(prefix=prefix),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=partial(_open_while_serving, settings=chosen),
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=request_spans.FASTAPI_TELEMETRY,
    )
    app.cards = catalog.select_cards(chosen.models).values()
    read_manifests(app.cards)
    app.longest_ttl = chosen.result_ttl
    app.state.result_hosts = result_hosts(
        chosen.storage, str(chosen.s3_endpoint) if chosen.s3_endpoint else None
    )
    app.path_prefix = prefix
    app.cors_origins = chosen.cors_origins
    _add_middleware(app, chosen)
    handlers.install(app)
    app.router.routes += [*FIRST_ROUTES, DeferredRoutes(app.router)]
    return app


@asynccontextmanager
async def _open_while_serving(app: FastAPI, settings: ApiSettings) -> AsyncIterator[None]:
    app.state.context = context = AppContext.open(settings)
    with logs_in_thread():
        context.publisher.start()
        yield
        await context.close()
        await asyncio.to_thread(tracing.stop)


def _add_middleware(app: KinomillAPI, settings: ApiSettings) -> None:
    """Add what each request passes through: the last one added is the first to see it."""
    request_spans.install(app)
    app.add_middleware(PrivateResponses)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes)
    if settings.auth == "off":
        own = origin_of(settings.public_url)
        app.add_middleware(
            WebPageGuard,
            hosts=(*settings.allowed_hosts, urlsplit(own).hostname or ""),
            origins=(*settings.cors_origins, own),
        )
    app.add_middleware(QueryLimit)
    app.add_middleware(SingleHeaders)
    figures = count_requests(app) if settings.metrics else None
    app.add_middleware(FinishedRequests, figures=figures)
