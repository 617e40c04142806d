"""The poster of a result. A result without one is as good, so nothing here fails a job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from models.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from models.poster.poster import Poster
    from models.spec import RunResult

log = structlog.get_logger()

_SHOWN: Final = 80
"""Characters of an error in the log."""


def poster_of(result: RunResult, folder: Path) -> Poster | None:
    """Make the poster of a result in the folder of its run. None: its type has none, or it failed.

    A failure is logged as a warning: the result stands, whatever the fault of the poster.
    """
    from models.poster.poster import make_poster  # imports the media libraries

    began = time.monotonic()
    try:
        poster = make_poster(result.path, result.file_type, folder / "_poster.jpg")
    except ModelError as error:
        log.warning("poster not made", error=str(error)[:_SHOWN])
        return None
    except Exception:
        log.exception("poster not made")
        return None
    log.debug("poster made", seconds=round(time.monotonic() - began, 3))
    return poster
