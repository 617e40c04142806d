"""The API: takes jobs and shows them. It never runs one, and never imports torch."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api import errors, stock
from api.access import AccessLog
from api.contract import Api
from api.limit import BodyLimit
from api.routes import fleet, health, jobs, metrics, models, results, storage
from api.schemas import VERSION
from api.settings import ApiSettings
from api.shop import Shop
from jobs.logs import configure
from models import catalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

DESCRIPTION = """
Turn a picture, a clip and a voice into video: submit a job, poll it (or wait for it with
`?wait=30`), fetch the MP4. Unless the server asks for none, each request below `/v1` needs a key:
`Authorization: Bearer km_…`.

Errors are `application/problem+json` (RFC 9457) with a `code` from a closed list.
"""


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """Make the app; without settings it reads the environment."""
    chosen = settings or ApiSettings()
    configure(log_format=chosen.log_format, level=chosen.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.shop = shop = Shop.open(chosen)
        shop.publisher.start()
        yield
        shop.close()

    app = Api(
        title="Kinomill",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.cards = catalog.cards(chosen.models).values()
    stock.read_manifests(app.cards)
    app.longest_ttl = chosen.result_ttl
    app.add_middleware(BodyLimit, limit_bytes=chosen.max_body_bytes)
    app.add_middleware(AccessLog)
    errors.install(app)
    for routes in (jobs, results, models, fleet, health, metrics, storage):
        app.include_router(routes.router)
    return app
