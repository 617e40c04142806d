"""Speed up imports by building pydantic models when they are first used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def deferred_models() -> Iterator[None]:
    """Let the classes that a block defines build their validators when they are first used.

    FastAPI defines 40 models of an OpenAPI document that most processes never serve; the inputs of
    all models and most responses of the API are not needed to become ready either. Later classes
    are built at once, as always; pydantic holds a lock around a deferred build.
    """
    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
