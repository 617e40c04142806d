"""`python -m api` serves the API on this machine; `kinomill api` does so on any address."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from api.server import serve
from api.settings import ApiSettings
from runtime.gc_paused import gc_paused
from runtime.logs import configure

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


if __name__ == "__main__":
    main(ApiSettings())
