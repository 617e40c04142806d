"""Error codes of background removal with InSPyReNet."""

from __future__ import annotations

from typing import Final

from models.errors import ModelErrorCode

MODE_UNAVAILABLE: Final = ModelErrorCode(
    "mode_unavailable",
    "The worker has no weights for this `mode`. Use `auto`, or ask the operator to add the profile "
    "`both` to KINOMILL_WEIGHTS_PROFILES.",
)
