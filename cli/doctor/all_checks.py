"""The list of checks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.doctor import (
    broker,
    database,
    drain,
    machine,
    object_storage,
    settings_check,
    weights_volume,
)
from cli.doctor.check import Check, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.check import CheckResult
    from cli.doctor.target import Target


def checks_for(target: Target) -> Iterator[Check]:
    """Yield the checks that apply to an installation."""
    yield Check("settings", partial(_settings, target))
    if target.database_url:
        yield Check("database", partial(_database, target))
    elif not target.empty:
        yield Check("database", partial(_missing, "database", "DATABASE_URL", target))
    if target.redis_url:
        yield Check("broker", partial(broker.check, target.redis_url))
    elif not target.empty:
        yield Check("broker", partial(_missing, "broker", "REDIS_URL", target))
    yield from _storage(target)
    yield Check("scratch disk", partial(machine.check_scratch, target.scratch))
    yield Check("weights volume", weights_volume.check)
    yield Check("drain window", drain.check)
    yield Check("open files", machine.check_open_files)
    yield Check("GPU", partial(machine.check_gpus, settings_check.gpus_per_worker()))


def _settings(target: Target) -> Iterator[CheckResult]:
    if target.empty:
        detail = f"nothing runs in {target.home}, and DATABASE_URL and REDIS_URL are not set"
        yield fail("settings", detail, "start `kinomill up`, or set them (docs/settings.md)")
    else:
        yield from settings_check.check(target)


def _database(target: Target) -> Iterator[CheckResult]:
    limits = settings_check.limits(target)
    yield from database.check(target.database_url or "", target.pooler, limits)


def _missing(name: str, variable: str, target: Target) -> Iterator[CheckResult]:
    detail = f"{variable} is not set, and none runs in {target.home}"
    yield fail(name, detail, f"set {variable}, or start `kinomill up`")


def _storage(target: Target) -> Iterator[Check]:
    if target.storage is None:
        return
    check = partial(
        object_storage.check,
        target.storage,
        public_url=target.public_url,
        secret=target.secret_key or "none",
        s3_endpoint=target.s3_endpoint,
    )
    yield Check("storage", check)
    if "://" not in target.storage:
        folder = Path(target.storage)
        yield Check("storage disk", partial(machine.check_disk, "storage disk", folder))
