"""Settings of `kinomill models`, read from environment variables."""

from __future__ import annotations

from weights.settings import WeightsSettings


class ModelsSettings(WeightsSettings):
    """The weights settings and the model settings of the worker in this environment.

    They include no database and no broker, so that an image can be built with these alone.
    """

    models: tuple[str, ...] | None = None
    """Names of the models that the worker serves (a JSON list)."""
    accept_licenses: frozenset[str] = frozenset()
    """Names of models whose non-commercial license the operator has accepted (a JSON list)."""
