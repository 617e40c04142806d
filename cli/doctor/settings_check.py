"""The settings: all there, valid, and none of them misspelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from api.settings import ApiSettings
from cli.doctor.finding import fail, ok, warn
from cli.settings import CliSettings, environment
from maintenance.settings import MaintenanceSettings
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.finding import Finding
    from cli.doctor.target import Target

_PREFIX = "KINOMILL_"


def look(target: Target) -> Iterator[Finding]:
    """Look at the settings as the programs would read them."""
    given = {
        "database_url": target.database_url,
        "redis_url": target.redis_url,
        "storage": target.storage,
        "secret_key": target.secret_key,
    }
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    faults: dict[str, str] = {}
    for kind in (ApiSettings, WorkerSettings, MaintenanceSettings):
        try:
            kind(**known)
        except ValidationError as error:
            faults |= {_variable(one["loc"]): one["msg"] for one in error.errors()}
    unknown = sorted(set(filter(_ours, environment())) - _known())
    if faults:
        found = "; ".join(f"{name}: {message}" for name, message in faults.items())
        yield fail("settings", found, "see docs/settings.md")
    if unknown:
        yield warn("settings", f"not known: {', '.join(unknown)}", "see docs/settings.md")
    if not (faults or unknown):
        yield ok("settings", "complete")


def _ours(variable: str) -> bool:
    return variable.startswith(_PREFIX)


def _known() -> set[str]:
    kinds = (ApiSettings, WorkerSettings, MaintenanceSettings, CliSettings)
    return {f"{_PREFIX}{name.upper()}" for kind in kinds for name in kind.model_fields}


def _variable(place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else "settings"
    return name if name.isupper() else f"{_PREFIX}{name.upper()}"
