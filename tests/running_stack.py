"""A complete Kinomill for tests: embedded servers, and all programs as processes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cli.settings import CliSettings
from cli.stack import Stack, free_port
from tests.database import without_fsync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def running_stack(home: Path, variables: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run everything below a folder, with these environment variables, until the block ends."""
    settings = CliSettings(database_url=None, redis_url=None, storage=None)
    with pytest.MonkeyPatch.context() as patch, without_fsync():
        for name, value in (variables or {}).items():
            patch.setenv(name, value)
        with Stack(home, free_port(), settings, lambda _: None) as stack:
            yield stack
