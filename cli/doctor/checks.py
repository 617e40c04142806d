"""Which checks there are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.doctor import broker, database, machine, settings_check, store
from cli.doctor.finding import Check, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.finding import Finding
    from cli.doctor.target import Target


def checks_of(target: Target) -> Iterator[Check]:
    """The checks that make sense for a target."""
    yield Check("settings", partial(_settings, target))
    if target.database_url:
        yield Check("database", partial(database.look, target.database_url))
    elif not target.empty:
        yield Check("database", partial(_missing, "database", "DATABASE_URL", target))
    if target.redis_url:
        yield Check("broker", partial(broker.look, target.redis_url))
    elif not target.empty:
        yield Check("broker", partial(_missing, "broker", "REDIS_URL", target))
    yield from _storage(target)
    yield Check("scratch disk", partial(machine.disk, "scratch disk", target.scratch))
    yield Check("open files", machine.files)
    yield Check("GPU", machine.cards)


def _settings(target: Target) -> Iterator[Finding]:
    if target.empty:
        found = f"nothing runs in {target.home}, and DATABASE_URL and REDIS_URL are not set"
        yield fail("settings", found, "start `kinomill up`, or set them (docs/settings.md)")
    else:
        yield from settings_check.look(target)


def _missing(name: str, variable: str, target: Target) -> Iterator[Finding]:
    found = f"{variable} is not set, and none runs in {target.home}"
    yield fail(name, found, f"set {variable}, or start `kinomill up`")


def _storage(target: Target) -> Iterator[Check]:
    if target.storage is None:
        return
    look = partial(
        store.look, target.storage, public_url=target.public_url, secret=target.secret_key or "none"
    )
    yield Check("storage", look)
    if "://" not in target.storage:
        folder = Path(target.storage)
        yield Check("storage disk", partial(machine.disk, "storage disk", folder))
