"""`python -m api` serves the API on this machine; `kinomill api` does so on any address.

Importing this module imports little: `main` opens the port before the rest is imported.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from runtime.gc_paused import gc_paused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.openapi import KinomillAPI
    from api.settings import ApiSettings

HOST = "127.0.0.1"
PORT = 8000


def main(settings: ApiSettings, *, host: str = HOST, port: int = PORT) -> None:
    """Serve the API until SIGTERM or SIGINT. Raises `UnknownModel` or `CannotListen`."""
    with quick_imports():
        from runtime.optional_imports import import_uvicorn

        import_uvicorn()
        from api.connections.limits import ConnectionLimits
        from api.server import serve
        from runtime.logs.program import start_logging
        from runtime.settings import warn_of_unknown_settings
        from runtime.traces.tracing import exit_if_unavailable

    exit_if_unavailable("kinomill")
    start_logging(settings)
    warn_of_unknown_settings()
    limits = ConnectionLimits(
        settings.max_connections,
        settings.max_connections_per_address,
        settings.read_timeout.total_seconds(),
    )
    serve(partial(_build, settings), host=host, port=port, limits=limits)


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import modules of the API without garbage collection, building models when first used."""
    with gc_paused():
        from runtime.deferred_models import deferred_models
        from runtime.optional_imports import import_structlog

        import_structlog()
        with deferred_models():
            yield


def _build(settings: ApiSettings) -> KinomillAPI:
    """Import and create the app. Imported here: `serve` opens the port before."""
    with quick_imports():
        from runtime.optional_imports import import_redis

        import_redis()  # the first request needs it
        from api.app import create_app
        from models.catalog import unknown_licenses
        from runtime.settings import warn_of_settings
        from runtime.traces import tracing

        tracing.start("kinomill-api")
        app = create_app(settings)
    own = [card.name for card in app.cards]
    warn_of_settings(unknown_licenses(settings.accept_licenses, own))
    return app


def run() -> None:
    """Serve the API of the environment's settings. Exits with a message if one is invalid."""
    with quick_imports():
        from pydantic import ValidationError

        from api.settings import ApiSettings
        from models.catalog import UnknownModel
        from runtime.config.errors import describe_errors
        from runtime.host_names import CannotListen
    try:
        main(ApiSettings())
    except ValidationError as error:
        sys.exit(f"kinomill: {describe_errors(error)}")
    except UnknownModel as error:
        sys.exit(f"kinomill: KINOMILL_MODELS: {error}")
    except CannotListen as error:
        sys.exit(f"kinomill: {error}")


if __name__ == "__main__":
    run()
