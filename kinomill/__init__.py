"""The Python client of a Kinomill server: `from kinomill import Client`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinomill.client import Client
    from kinomill.errors import ApiError, JobFailed, KinomillError, Unreachable

__version__ = "0.1.0"
__all__ = ["ApiError", "Client", "JobFailed", "KinomillError", "Unreachable", "__version__"]

_MODULES = {"Client": "client"} | dict.fromkeys(
    ("ApiError", "JobFailed", "KinomillError", "Unreachable"), "errors"
)


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the server's programs never pay for the HTTP client."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
