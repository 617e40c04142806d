"""Keep a library from importing an optional one that we do not use through it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def not_importable(*names: str) -> Iterator[None]:
    """Make `import name` fail in the block, unless the module is imported already."""
    missing = [name for name in names if name not in sys.modules]
    for name in missing:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python marks a missing module
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


def import_structlog() -> None:
    """Import structlog without what it would use for tracebacks and for the threads of greenlet.

    Our logs have neither. Call it before anything else imports structlog: 80 modules, 6 MB.
    """
    with not_importable("rich", "greenlet"):
        import structlog  # noqa: F401


def import_redis() -> None:
    """Import redis-py without OpenTelemetry's SDK. Call it before anything else imports redis.

    Where the SDK is installed, redis-py imports all of its metrics: 0.07 s of each start.
    """
    with not_importable("opentelemetry.sdk"):
        import redis  # noqa: F401


def import_uvicorn() -> None:
    """Import uvicorn without what restarts it when a file has changed: 0.7 MB.

    Call it before anything else imports uvicorn.
    """
    with not_importable("watchfiles"):
        import uvicorn  # noqa: F401
