"""The commands that the server adds to `kinomill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kinomill.cli.app import CommandSet, build_app
from weights.errors import WeightsError

if TYPE_CHECKING:
    import typer

MODULES: Final = (
    dict.fromkeys(("up", "down"), "cli.up")
    | {"demo": "cli.demo", "models": "cli.models.command"}
    | dict.fromkeys(("api", "worker", "maintenance", "flower", "migrate"), "cli.serve")
    | {"keys": "cli.keys", "doctor": "cli.doctor.command"}
)


def explain(error: Exception) -> str | None:
    """Message for an error of the weights, or for settings that are missing or wrong."""
    if isinstance(error, WeightsError):
        return str(error)
    if isinstance(error, ValueError):
        from pydantic import ValidationError

        from runtime.config.errors import describe_errors

        return describe_errors(error) if isinstance(error, ValidationError) else None
    return None


COMMANDS: Final = CommandSet(MODULES, explain)


def all_commands() -> typer.Typer:
    """Every command of the client and the server."""
    return build_app([], [COMMANDS])
