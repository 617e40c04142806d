"""`python -m api` serves the API on this machine; `kinomill api` does so on any address."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from api.server import serve
from api.settings import ApiSettings
from models.catalog import UnknownModel
from runtime.gc_paused import gc_paused
from runtime.logs import configure
from runtime.settings import describe_errors

if TYPE_CHECKING:
    from fastapi import FastAPI

HOST = "127.0.0.1"
PORT = 8000


def main(settings: ApiSettings, *, host: str = HOST, port: int = PORT) -> None:
    """Serve the API until SIGTERM or SIGINT. Raises `UnknownModel` for a model it does not know."""
    configure(log_format=settings.log_format, level=settings.log_level)
    serve(partial(_build, settings), host=host, port=port)


def _build(settings: ApiSettings) -> FastAPI:
    """Import and create the app. Imported here: `serve` opens the port before."""
    with gc_paused():
        from api.app import create_app

        return create_app(settings)


def run() -> None:
    """Serve the API of the environment's settings. Exits with a message if one is invalid."""
    try:
        main(ApiSettings())
    except ValidationError as error:
        sys.exit(f"kinomill: {describe_errors(error)}")
    except UnknownModel as error:
        sys.exit(f"kinomill: KINOMILL_MODELS: {error}")


if __name__ == "__main__":
    run()
