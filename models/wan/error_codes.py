"""Error codes of the Wan models, with their explanation for users."""

from __future__ import annotations

from models.errors import ModelErrorCode

ASPECT_EXTREME = ModelErrorCode(
    "aspect_extreme",
    "The image is so long and narrow that more than half of it would be cropped. Crop it, set "
    '`fit` to `"pad"`, or set `width` and `height`.',
)
PROMPT_TOO_LONG = ModelErrorCode(
    "prompt_too_long", "The prompt has more tokens than the model reads. Shorten it."
)
UNKNOWN_LORA = ModelErrorCode(
    "unknown_lora",
    "The worker does not have this LoRA. The detail of the error lists those it has.",
)
ERROR_CODES = (ASPECT_EXTREME, PROMPT_TOO_LONG, UNKNOWN_LORA)
"""Codes of every Wan model."""
