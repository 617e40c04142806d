"""Builds the FastAPI app."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api import error_docs as error_docs
from api import health, session
from api.batches import routes as batches
from api.context.app_context import AppContext
from api.deliveries import routes as deliveries
from api.errors import handlers
from api.events import routes as events
from api.files import downloads, local_uploads
from api.files import routes as files
from api.fleet import routes as fleet
from api.jobs import background_removal
from api.jobs import routes as jobs
from api.jobs.retries import routes as retries
from api.logs import routes as logs
from api.metrics import routes as metrics
from api.metrics.routes import count_requests
from api.middleware.body_limit import BodyLimit
from api.middleware.finished_requests import FinishedRequests
from api.middleware.head_as_get import HeadAsGet
from api.middleware.private_responses import PrivateResponses
from api.middleware.single_headers import SingleHeaders
from api.middleware.web_page_guard import WebPageGuard, origin_of
from api.models import routes as models
from api.models import weights_status
from api.openapi import KinomillAPI
from api.operator import accounts, erasure
from api.operator import routes as operator
from api.overview import routes as overview
from api.page.result_hosts import result_hosts
from api.page.routes import ROUTES as PAGES
from api.predictions import routes as predictions
from api.results import routes as results
from api.settings import ApiSettings
from api.shares import public as public_shares
from api.shares import routes as shares
from api.traces import middleware as request_spans
from api.videos import routes as videos
from models import catalog
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

CONTRACT = (
    jobs,
    batches,
    deliveries,
    background_removal,
    events,
    results,
    files,
    retries,
    logs,
    shares,
    public_shares,
    videos,
    predictions,
    models,
    fleet,
    session,
    operator,
    accounts,
    erasure,
    overview,
)
"""The rooms with routes below `/v1`."""


def create_app(settings: ApiSettings | None = None) -> KinomillAPI:
    """Create the app. Without `settings` they are read from the environment."""
    chosen = settings or ApiSettings()
    configure(log_format=chosen.log_format, level=chosen.log_level)
    prefix = urlsplit(chosen.public_url).path.rstrip("/")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = context = AppContext.open(chosen)
        with logs_in_thread():
            context.publisher.start()
            yield
            await context.close()
            await asyncio.to_thread(tracing.stop)

    app = KinomillAPI(
        title="Kinomill",
        version=VERSION,
        description=DESCRIPTION.format(prefix=prefix),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=request_spans.FASTAPI_TELEMETRY,
    )
    app.cards = catalog.select_cards(chosen.models).values()
    weights_status.read_manifests(app.cards)
    app.longest_ttl = chosen.result_ttl
    app.state.result_hosts = result_hosts(
        chosen.storage, str(chosen.s3_endpoint) if chosen.s3_endpoint else None
    )
    app.path_prefix = prefix
    app.cors_origins = chosen.cors_origins
    request_spans.install(app)
    app.add_middleware(PrivateResponses)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, limit_bytes=chosen.body_limit_bytes)
    if chosen.auth == "off":
        own = origin_of(chosen.public_url)
        app.add_middleware(
            WebPageGuard,
            hosts=(*chosen.allowed_hosts, urlsplit(own).hostname or ""),
            origins=(*chosen.cors_origins, own),
        )
    app.add_middleware(SingleHeaders)
    figures = count_requests(app) if chosen.metrics else None
    app.add_middleware(FinishedRequests, figures=figures)
    handlers.install(app)
    for routes in (*CONTRACT, health, metrics, downloads, local_uploads, error_docs):
        app.router.routes += routes.router.routes
    app.router.routes += PAGES
    app.router.routes[:0] = [*jobs.DIRECT, *background_removal.DIRECT, *health.DIRECT]
    return app
