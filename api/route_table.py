"""All routes of the API. To import this imports every part of it: see `api.deferred_routes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api import error_docs, health, session
from api.batches import routes as batches
from api.deliveries import routes as deliveries
from api.events import routes as events
from api.files import downloads, local_uploads
from api.files import routes as files
from api.fleet import routes as fleet
from api.jobs import background_removal
from api.jobs import routes as jobs
from api.jobs.retries import routes as retries
from api.logs import routes as logs
from api.metrics import routes as metrics
from api.models import routes as models
from api.operator import accounts, erasure
from api.operator import routes as operator
from api.overview import routes as overview
from api.page.routes import ROUTES as PAGES
from api.predictions import models as listed_models
from api.predictions import routes as predictions
from api.results import routes as results
from api.shares import public as public_shares
from api.shares import routes as shares
from api.videos import routes as videos

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

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
    listed_models,
    models,
    fleet,
    session,
    operator,
    accounts,
    erasure,
    overview,
)
"""The rooms with routes below `/v1`, in the order of the OpenAPI document."""
OTHERS = (health, metrics, downloads, local_uploads, error_docs)

ROUTES: tuple[BaseRoute, ...] = (
    *(*jobs.DIRECT, *background_removal.DIRECT, *health.DIRECT),
    *(route for module in (*CONTRACT, *OTHERS) for route in module.router.routes),
    *PAGES,
)
"""A path has its first route that matches."""
