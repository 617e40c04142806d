"""Checks of the settings: complete, valid, none misspelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from api.settings import ApiSettings
from cli.doctor.check import fail, ok, warn
from cli.settings import CliSettings, environment
from maintenance.settings import MaintenanceSettings
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.check import CheckResult
    from cli.doctor.target import Target

_PREFIX = "KINOMILL_"


def check(target: Target) -> Iterator[CheckResult]:
    """Check the settings as the programs would read them."""
    given = {
        "database_url": target.database_url,
        "redis_url": target.redis_url,
        "storage": target.storage,
        "secret_key": target.secret_key,
    }
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    invalid: dict[str, str] = {}
    for kind in (ApiSettings, WorkerSettings, MaintenanceSettings):
        try:
            kind(**known)
        except ValidationError as error:
            invalid |= {_variable(one["loc"]): one["msg"] for one in error.errors()}
    unknown = sorted(set(filter(_is_ours, environment())) - _known())
    if invalid:
        detail = "; ".join(f"{name}: {message}" for name, message in invalid.items())
        yield fail("settings", detail, "see docs/settings.md")
    if unknown:
        yield warn("settings", f"unknown: {', '.join(unknown)}", "see docs/settings.md")
    if not (invalid or unknown):
        yield ok("settings", "complete")


def _is_ours(variable: str) -> bool:
    return variable.startswith(_PREFIX)


def _known() -> set[str]:
    kinds = (ApiSettings, WorkerSettings, MaintenanceSettings, CliSettings)
    return {f"{_PREFIX}{name.upper()}" for kind in kinds for name in kind.model_fields}


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.isupper() else f"{_PREFIX}{name.upper()}"
