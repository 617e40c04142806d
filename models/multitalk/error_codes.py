"""Error codes of the talking-picture models, with their explanation for users."""

from __future__ import annotations

from models.errors import ModelErrorCode
from models.lipsync.error_codes import FACE_AND_VOICE, SPEECH_UNAVAILABLE
from models.wan.error_codes import PROMPT_TOO_LONG, UNKNOWN_LORA

AUDIO_TOO_SHORT = ModelErrorCode(
    "audio_too_short", "The voice is shorter than a tenth of a second. Use a longer recording."
)
REGION_OUTSIDE = ModelErrorCode(
    "region_outside",
    "A rectangle of a person lies outside the picture, or in a part that is cropped. Use pixels "
    "of the upright picture.",
)
ERROR_CODES = (
    *(code for code in FACE_AND_VOICE if code.code in {"no_face", "no_sound", "audio_silent"}),
    SPEECH_UNAVAILABLE,
    PROMPT_TOO_LONG,
    UNKNOWN_LORA,
    AUDIO_TOO_SHORT,
    REGION_OUTSIDE,
)
"""Codes of every talking-picture model."""
