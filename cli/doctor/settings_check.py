"""Checks of the settings: complete, valid, none misspelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cli.doctor.check import fail, ok, warn
from jobs.queue.admission import Limits
from maintenance.settings import MaintenanceSettings
from models.settings import GpuSettings
from runtime.config.errors import sentences
from runtime.settings import unknown_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.check import CheckResult
    from cli.doctor.target import Target


def limits(target: Target) -> Limits | None:
    """The limits of queues that the programs have. None: their settings are incomplete here."""
    try:
        return Limits.from_settings(MaintenanceSettings(**_known(target)))
    except ValidationError:
        return None


def gpus_per_worker() -> int:
    """GPUs that a worker uses for one job; 1 if the setting is wrong, which `check` reports."""
    try:
        return GpuSettings().gpus_per_worker
    except ValidationError:
        return 1


def _known(target: Target) -> dict[str, Any]:
    """What is known of the settings beside the environment."""
    given = {
        "database_url": target.database_url,
        "redis_url": target.redis_url,
        "storage": target.storage,
        "secret_key": target.secret_key,
    }
    return {name: value for name, value in given.items() if value is not None}


def check(target: Target) -> Iterator[CheckResult]:
    """Check the settings as the programs would read them."""
    # imported here: with all models, which `kinomill top` does not need
    from api.settings import ApiSettings
    from cli.doctor.names_check import ineffective_names, wrong_names
    from workers.settings import WorkerSettings

    known = _known(target)
    invalid: dict[str, None] = {}
    unknown = dict.fromkeys(unknown_settings())
    for kind in (ApiSettings, WorkerSettings, MaintenanceSettings):
        try:
            settings = kind(**known)
        except ValidationError as error:
            invalid |= dict.fromkeys(sentences(error))
        else:
            wrong = dict.fromkeys(wrong_names(settings))
            invalid |= wrong
            unknown |= {} if wrong else dict.fromkeys(ineffective_names(settings))
    if invalid:
        yield fail("settings", "; ".join(invalid), "see docs/settings.md")
    if unknown:
        yield warn("settings", f"unknown: {'; '.join(unknown)}", "see docs/settings.md")
    if not (invalid or unknown):
        yield ok("settings", "complete")
