"""What `kinomill models` is told by its environment."""

from __future__ import annotations

from weights.settings import WeightsSettings


class ModelsSettings(WeightsSettings):
    """The weights' settings, and what the worker of this environment is told of its models.

    No database, no broker: an image can be baked with these alone.
    """

    models: tuple[str, ...] | None = None
    """Names of the models that the worker serves (a JSON list)."""
    accept_licenses: frozenset[str] = frozenset()
    """Names of models whose non-commercial license the operator has accepted (a JSON list)."""
