"""The logs of one of our programs, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.logs import python_hooks
from runtime.logs.configure import configure
from runtime.logs.redaction import REDACTOR
from runtime.settings import secret_values

if TYPE_CHECKING:
    from runtime.settings import LogSettings


def start_logging(settings: LogSettings, **fields: str) -> None:
    """Log all that this process and its libraries say in one form, without its secrets.

    `fields` are added to each line.
    """
    REDACTOR.protect(secret_values(settings))
    configure(log_format=settings.log_format, level=settings.log_level, fields=fields)
    python_hooks.install()
