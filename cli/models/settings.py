"""Settings of `kinomill models`, read from environment variables."""

from __future__ import annotations

from pydantic import Field

from weights.settings import WeightsSettings


class ModelsSettings(WeightsSettings):
    """The weights settings and the model settings of the worker in this environment.

    They include no database and no broker, so that an image can be built with these alone.
    """

    models: tuple[str, ...] | None = Field(default=None, examples=[["musetalk"]])
    """Names of the models that the worker serves."""
    accept_licenses: frozenset[str] = Field(default=frozenset(), examples=[["wav2lip"]])
    """Names of models whose license the operator has accepted: one that forbids or restricts
    commercial use."""
